import "./style.css";
import { mount } from "svelte";
import { readData, type Carried } from "./data";
import Page from "./Page.svelte";

const carried = JSON.parse(document.getElementById("data")!.textContent!) as Carried;
mount(Page, { target: document.getElementById("page")!, props: { data: readData(carried) } });
