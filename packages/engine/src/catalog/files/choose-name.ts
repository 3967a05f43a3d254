/** PostgreSQL's limit of a name, in bytes. */
const LIMIT = 63

/**
 * The name that PostgreSQL gives to what has none: `table_columns_suffix`, the two parts shortened evenly to 63 bytes,
 * with a number behind when it is taken.
 */
export function chooseName(
  table: string,
  columns: readonly string[],
  suffix: string,
  isTaken: (name: string) => boolean,
): string {
  for (let n = 0; ; n++) {
    const name = makeName(table, columns.join('_'), n === 0 ? suffix : `${suffix}${n}`)
    if (!isTaken(name)) return name
  }
}

function makeName(first: string, second: string, suffix: string): string {
  const room = LIMIT - suffix.length - 1 - (second === '' ? 0 : 1)
  let [a, b] = [first.length, second.length]
  while (a + b > room) {
    if (a > b) a--
    else b--
  }
  return [first.slice(0, a), second.slice(0, b), suffix].filter((part) => part !== '').join('_')
}
