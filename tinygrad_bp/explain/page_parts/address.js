// The moment is kept in the address, #step=8&element=1,2, so that it can be linked to.

const WRITE_AFTER_MS = 150; // browsers refuse hundreds of changes in a row while a key is held

export function addressView(record, store) {
  let pending = 0;
  store.subscribe((state) => {
    clearTimeout(pending);
    pending = setTimeout(
      () => history.replaceState(null, "", toHash(record, state)),
      WRITE_AFTER_MS,
    );
  });
  const read = () => store.set(fromHash(record, location.hash));
  addEventListener("hashchange", read);
  read();
}

export function toHash(record, { position, element, inspected }) {
  const parts = [`step=${position}`];
  if (element !== null) parts.push(`element=${element.join(",")}`);
  if (inspected !== null) parts.push(`node=${encodeURIComponent(record.nodes[inspected].name)}`);
  return `#${parts.join("&")}`;
}

export function fromHash(record, hash) {
  const given = new URLSearchParams(hash.slice(1));
  const changes = {};
  if (given.has("step")) changes.position = given.get("step");
  const element = (given.get("element") ?? "").split(",").filter(Boolean).map(Number);
  if (element.length && element.every((i) => Number.isInteger(i) && i >= 0)) {
    changes.element = element;
  }
  const named = record.nodes.find((node) => node.name === given.get("node"));
  if (named) changes.inspected = named.id;
  return changes;
}
