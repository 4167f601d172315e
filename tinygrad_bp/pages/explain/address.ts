// The moment is kept in the address, #step=8&element=1,2, so that it can be linked to.

import type { Pass } from "./record";
import type { Moment, Session } from "./session.svelte";

export function toHash({ pass, position, wanted, inspected }: Session): string {
  const parts = [`step=${position}`];
  if (wanted !== null) parts.push(`element=${wanted.join(",")}`);
  if (inspected !== null) parts.push(`node=${encodeURIComponent(pass.node(inspected).name)}`);
  return `#${parts.join("&")}`;
}

export function fromHash(pass: Pass, hash: string): Moment {
  const given = new URLSearchParams(hash.slice(1));
  const moment: Moment = {};
  if (given.has("step")) moment.position = Number(given.get("step"));
  const element = (given.get("element") ?? "").split(",").filter(Boolean).map(Number);
  if (element.length && element.every((i) => Number.isInteger(i) && i >= 0)) moment.element = element;
  const named = pass.data.nodes.find(({ name }) => name === given.get("node"));
  if (named) moment.inspected = named.id;
  return moment;
}

/** Inside a notebook the page has no address of its own: then there is nothing to keep it in. */
export function keep(hash: string) {
  if (location.protocol !== "about:") history.replaceState(null, "", hash);
}
