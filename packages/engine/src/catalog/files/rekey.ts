/** Moves an entry to another key in place, so that the order of a map stays. */
export function rekey<Item extends object>(
  map: Map<string, Item>,
  from: string,
  to: string,
  parts: Partial<Item>,
): void {
  if (!map.has(from)) return
  const entries = [...map]
  map.clear()
  for (const [key, item] of entries) {
    if (key === from) map.set(to, { ...item, ...parts })
    else map.set(key, item)
  }
}
