/** One question before something that cannot be taken back. */

interface Question {
  title: string;
  text: string;
  /** What the button says that does it: a verb. */
  action: string;
  answer: (isYes: boolean) => void;
}

class Confirm {
  question = $state.raw<Question | null>(null);

  /** Whether the reader wants it. */
  ask(title: string, text: string, action: string): Promise<boolean> {
    this.question?.answer(false);
    return new Promise((resolve) => {
      this.question = {
        title,
        text,
        action,
        answer: (isYes) => {
          this.question = null;
          resolve(isYes);
        },
      };
    });
  }
}

export const confirm = new Confirm();
