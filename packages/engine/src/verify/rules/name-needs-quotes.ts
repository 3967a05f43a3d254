import { parseRaw } from '../../parse/parser.ts'
import { namesIn, type Named } from '../named-objects.ts'
import { defineRule } from '../rule.ts'

export const nameNeedsQuotes = defineRule<Named>({
  id: 'name-needs-quotes',
  family: 'structure',
  severity: 'info',
  profile: 'style',
  effect: 'Without quotes PostgreSQL looks for another name, or takes it for a key word: every query has to know.',
  instead: 'Lower case, digits and underscores, and no reserved word.',
  subjects: (context) => {
    const subjects = [...namesIn(context, ['schema', 'table', 'view', 'column', 'function'])]
    learn(subjects.map(({ name }) => name))
    return subjects
  },
  *check({ kind, name, object, position }) {
    if (plain.get(name) === false)
      yield { object, message: `${kind} '${name}' can only be written in quotes`, position }
  },
})

/** Whether the grammar takes the bare word for this very name: where it is given, and where a column is read. */
const plain = new Map<string, boolean>()

function learn(names: readonly string[]): void {
  const words: string[] = []
  for (const name of new Set(names)) {
    if (plain.has(name)) continue
    if (/^[a-z_][a-z0-9_$]*$/.test(name)) words.push(name)
    else plain.set(name, false)
  }
  learnWords(words)
}

/** Asks the grammar about all words at once, and about the halves of them while one is not plain. */
function learnWords(words: readonly string[]): void {
  if (words.length === 0) return
  const arePlain = areGiven(words) && areColumns(words)
  if (arePlain || words.length === 1) return words.forEach((word) => plain.set(word, arePlain))
  const middle = words.length >> 1
  learnWords(words.slice(0, middle))
  learnWords(words.slice(middle))
}

/** The name of a column in a list may be what the name of a table may be. */
function areGiven(words: readonly string[]): boolean {
  return Array.isArray(parseRaw(`copy t (${words.join(', ')}) from stdin`))
}

function areColumns(words: readonly string[]): boolean {
  const parsed = parseRaw(`select ${words.join(', ')}`)
  const node = Array.isArray(parsed) ? parsed[0]?.node : undefined
  const targets = node && 'SelectStmt' in node ? (node.SelectStmt.targetList ?? []) : []
  return (
    targets.length === words.length &&
    targets.every((target) => 'ResTarget' in target && target.ResTarget.val && 'ColumnRef' in target.ResTarget.val)
  )
}
