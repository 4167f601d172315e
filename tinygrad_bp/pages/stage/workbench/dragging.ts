import type { Attachment } from "svelte/attachments";

/** Tells where a pointer is, from its going down to its going up, in pixels of the element. */
export function dragging(hear: (x: number, y: number) => void): Attachment<Element> {
  return (element) => {
    const heard = (event: Event) => {
      const { clientX, clientY, buttons } = event as PointerEvent;
      if (!(buttons & 1)) return;
      const { left, top } = element.getBoundingClientRect();
      hear(clientX - left, clientY - top);
    };
    const taken = (event: Event) => {
      element.setPointerCapture((event as PointerEvent).pointerId);
      heard(event);
    };
    element.addEventListener("pointerdown", taken);
    element.addEventListener("pointermove", heard);
    return () => {
      element.removeEventListener("pointerdown", taken);
      element.removeEventListener("pointermove", heard);
    };
  };
}
