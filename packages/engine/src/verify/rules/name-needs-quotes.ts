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
    const functions = [...namesIn(context, ['function'])]
    const others = [...namesIn(context, ['schema', 'table', 'view', 'column'])]
    functionNames.learn(functions.map(({ name }) => name))
    otherNames.learn(others.map(({ name }) => name))
    return [...others, ...functions]
  },
  *check({ kind, name, object, position }) {
    const names = kind === 'function' ? functionNames : otherNames
    if (!names.isPlain(name)) yield { object, message: `${kind} '${name}' can only be written in quotes`, position }
  },
})

/** Which names the grammar takes as bare words; each is asked about once in the life of the process. */
class PlainNames {
  readonly #arePlain: (words: readonly string[]) => boolean
  readonly #known = new Map<string, boolean>()

  constructor(arePlain: (words: readonly string[]) => boolean) {
    this.#arePlain = arePlain
  }

  isPlain(name: string): boolean {
    return this.#known.get(name) !== false
  }

  learn(names: readonly string[]): void {
    const words: string[] = []
    for (const name of new Set(names)) {
      if (this.#known.has(name)) continue
      if (/^[a-z_][a-z0-9_$]*$/.test(name)) words.push(name)
      else this.#known.set(name, false)
    }
    this.#learnWords(words)
  }

  /** Asks the grammar about all words at once, and about the halves of them while one is not plain. */
  #learnWords(words: readonly string[]): void {
    if (words.length === 0) return
    const arePlain = this.#arePlain(words)
    if (arePlain || words.length === 1) return words.forEach((word) => this.#known.set(word, arePlain))
    const middle = words.length >> 1
    this.#learnWords(words.slice(0, middle))
    this.#learnWords(words.slice(middle))
  }
}

const functionNames = new PlainNames((words) => {
  const calls = words.map((word) => `${word}()`)
  return areRead(calls, 'FuncCall')
})
const otherNames = new PlainNames((words) => areGiven(words) && areRead(words, 'ColumnRef'))

/** The name of a column in a list may be what the name of a table may be. */
function areGiven(words: readonly string[]): boolean {
  return Array.isArray(parseRaw(`copy t (${words.join(', ')}) from stdin`))
}

function areRead(expressions: readonly string[], kind: 'ColumnRef' | 'FuncCall'): boolean {
  const parsed = parseRaw(`select ${expressions.join(', ')}`)
  const node = Array.isArray(parsed) ? parsed[0]?.node : undefined
  const targets = node && 'SelectStmt' in node ? (node.SelectStmt.targetList ?? []) : []
  return (
    targets.length === expressions.length &&
    targets.every((target) => 'ResTarget' in target && target.ResTarget.val && kind in target.ResTarget.val)
  )
}
