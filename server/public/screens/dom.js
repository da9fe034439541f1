// Making and keeping elements. Texts are always text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, `on…` listeners and children; what is `undefined` or `false` is left out. */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

/** Sets what a node says, where that is another thing: a live region tells only what changed. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes a change that may take away what has the focus, and gives it to another element then: a keyboard is left nowhere by
 * nothing that happens on a page.
 *
 * @param next - finds that element, after the change
 */
export function keepingFocus(change, next) {
  const before = document.activeElement;
  change();
  if (before === document.body || before?.checkVisibility()) return;
  next()?.focus({ preventScroll: true });
}

/** Whether a button may be used: one that has the focus keeps it meanwhile, as it would not if it were `disabled`. */
export function allow(button, isAllowed) {
  button.setAttribute("aria-disabled", String(!isAllowed));
}

/** Calls `act` at each click, while the button may be used. */
export function onAllowed(button, act) {
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") !== "true") return act();
  });
}

/**
 * Keeps a list's elements in step with its items: who is reading, or has the focus in one, keeps it.
 *
 * @param make - makes an item's element; `update(element, item)` is called for each then, and at each change
 */
export function keyed(list, { items, keyOf, make, update }) {
  const before = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const focused = list.contains(document.activeElement) ? document.activeElement : undefined;
  let at = list.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const node = before.get(key) ?? make(item);
    node.dataset.key = key;
    before.delete(key);
    update?.(node, item);
    if (node === at) at = at.nextElementSibling;
    else list.insertBefore(node, at);
  }
  for (const node of before.values()) node.remove();
  // What is moved loses the focus.
  if (focused?.isConnected && focused !== document.activeElement)
    focused.focus({ preventScroll: true });
}

/** Calls `draw` once before the next picture, however often it is asked for; hidden pages draw twice a second. */
export function drawsSoon(draw) {
  let isAsked = false;
  const run = () => {
    isAsked = false;
    draw();
  };
  return () => {
    if (isAsked) return;
    isAsked = true;
    if (document.hidden) setTimeout(run, 500);
    else requestAnimationFrame(run);
  };
}
