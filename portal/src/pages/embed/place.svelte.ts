/** What an embed shows, in words: said at its foot, and as the title of the document. */

class Place {
  title = $state("tracklog");

  is(title: string): void {
    this.title = title;
    document.title = title;
  }
}

export const place = new Place();
