import "../shared/base.css";
import "./style.css";
import { mount } from "svelte";
import Page from "./Page.svelte";
import type { Data } from "./record";

const data = JSON.parse(document.getElementById("data")!.textContent!) as Data;
const target = document.getElementById("page")!;
target.replaceChildren(); // what readers without scripts see
mount(Page, { target, props: { data } });
