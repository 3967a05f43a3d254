/** Many rules ask for the tags of each table. */
const known = new Map<string, ReadonlyMap<string, string>>()

/**
 * Reads the machine part of a comment: `class=phi;scope=tenant;about=Anything; even this`. `about` is always last and
 * takes the rest of the text. A comment without tags gives an empty map.
 */
export function parseTags(comment: string | null): ReadonlyMap<string, string> {
  let tags = known.get(comment ?? '')
  if (!tags) {
    tags = readTags(comment ?? '')
    if (known.size > 50_000) known.clear()
    known.set(comment ?? '', tags)
  }
  return tags
}

function readTags(comment: string): Map<string, string> {
  const tags = new Map<string, string>()
  let rest = comment
  while (rest !== '') {
    const match = /^\s*([a-z][a-z0-9_]*)=/.exec(rest)
    if (!match?.[1]) break
    const value = rest.slice(match[0].length)
    const end = match[1] === 'about' ? -1 : value.indexOf(';')
    tags.set(match[1], (end < 0 ? value : value.slice(0, end)).trim())
    rest = end < 0 ? '' : value.slice(end + 1)
  }
  return tags
}
