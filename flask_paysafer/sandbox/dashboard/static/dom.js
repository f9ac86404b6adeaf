// Build elements, and change a page into another one without losing focus, selection or scroll.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== false));
  return node;
}

export function show(container, ...children) {
  const wanted = container.cloneNode(false);
  wanted.append(...children.flat(Infinity).filter(Boolean));
  morphChildren(container, wanted);
}

function morphChildren(from, to) {
  const keyed = new Map([...from.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  let place = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const key = wanted.dataset?.key;
    const kept = key ? keyed.get(key) : place;
    if (kept && isSame(kept, wanted) && (key || !kept.dataset?.key)) {
      if (kept === place) place = place.nextSibling;
      else from.insertBefore(kept, place);
      morph(kept, wanted);
    } else {
      from.insertBefore(wanted, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function isSame(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName;
}

function morph(from, to) {
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  for (const { name } of [...from.attributes]) {
    // Whether a part is folded out is the reader's own business.
    if (!to.hasAttribute(name) && !(name === "open" && from.nodeName === "DETAILS")) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    const isFold = name === "open" && from.nodeName === "DETAILS";
    if (!isFold && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  morphChildren(from, to);
}
