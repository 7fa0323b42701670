import "uplot/dist/uPlot.min.css";
import "./app.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { isEmbed } from "./charts/share";

const target = document.getElementById("app");
if (target !== null) {
  if (isEmbed(window.location.pathname))
    void import("./pages/embed/Embed.svelte").then(({ default: Embed }) => mount(Embed, { target }));
  else mount(App, { target });
}
