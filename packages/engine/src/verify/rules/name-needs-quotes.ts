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
  subjects: (context) => namesIn(context, ['schema', 'table', 'view', 'column', 'function']),
  *check({ kind, name, object, position }) {
    if (!isPlain(name)) yield { object, message: `${kind} '${name}' can only be written in quotes`, position }
  },
})

const known = new Map<string, boolean>()

/** Whether the grammar takes the bare word for this very name: where it is given, and where a column is read. */
function isPlain(name: string): boolean {
  let plain = known.get(name)
  if (plain === undefined) {
    const isWord = /^[a-z_][a-z0-9_$]*$/.test(name)
    plain = isWord && Array.isArray(parseRaw(`create table ${name} (${name} int)`)) && isColumn(name)
    known.set(name, plain)
  }
  return plain
}

function isColumn(name: string): boolean {
  const parsed = parseRaw(`select ${name}`)
  return Array.isArray(parsed) && JSON.stringify(parsed).includes('"ColumnRef"')
}
