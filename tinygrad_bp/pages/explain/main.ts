import "../shared/base.css";
import "./style.css";
import { mount } from "svelte";
import Page from "./Page.svelte";
import type { Data } from "./record";

const data = JSON.parse(document.getElementById("data")!.textContent!) as Data;
mount(Page, { target: document.getElementById("page")!, props: { data } });
