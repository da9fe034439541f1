// What this browser itself remembers of a lecture: which questions were liked, and answered. Bounded, oldest out first.

const MAX = 500;

/** A set of numbers, kept under a name. */
export function keptSet(name) {
  let items = read(name);
  let version = 0;
  return {
    /** Another one after each change. */
    get version() {
      return version;
    },
    has: (item) => items.includes(item),
    put(item, isIn) {
      items = items.filter((each) => each !== item);
      if (isIn) items.push(item);
      items = items.slice(-MAX);
      version++;
      try {
        localStorage.setItem(name, JSON.stringify(items));
      } catch {
        // A full or closed storage forgets at the next load, and no sooner.
      }
    },
  };
}

function read(name) {
  try {
    const items = JSON.parse(localStorage.getItem(name) ?? "[]");
    return Array.isArray(items) ? items.slice(-MAX) : [];
  } catch {
    return [];
  }
}
