/** `'a', 'b' and 7 more`: long lists stay readable. */
export function quoteList(names: readonly string[], show = 10): string {
  const quoted = names.slice(0, show).map((name) => `'${name}'`)
  return names.length <= show ? quoted.join(', ') : `${quoted.join(', ')} and ${names.length - show} more`
}
