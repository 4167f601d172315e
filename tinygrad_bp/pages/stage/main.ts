import "./style.css";
import { mount } from "svelte";
import { readData, type Carried } from "./data";
import Page from "./Page.svelte";

/** What the page carries is unpacked when its words and bar have been painted. */
async function unpacked() {
  await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
  return readData(JSON.parse(document.getElementById("data")!.textContent!) as Carried);
}

mount(Page, { target: document.getElementById("page")!, props: { data: unpacked() } });
