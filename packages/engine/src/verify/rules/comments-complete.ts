import type { Table } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'
import { parseTags } from '../tags.ts'

export const commentsComplete = defineRule<Table>({
  id: 'comments-complete',
  family: 'documentation',
  severity: 'error',
  effect: 'Rules, retention, masking and the documentation read the class of a table and column from its comment.',
  instead:
    "comment on table t is 'class=..;scope=..;owner=..;retention=..;about=One sentence.'; columns 'class=..;about=..'.",
  *subjects(context) {
    // A schema without tags has another convention, or none.
    if (!context.hasTags) return
    for (const table of context.tables) if (table.partitionOf === null) yield table
  },
  *check(table, context) {
    const object = nameOf(table)
    const tags = parseTags(table.comment)
    const at = { object, position: table.position }
    for (const tag of ['class', 'scope', 'about']) {
      if (!tags.get(tag)) yield { ...at, message: `the comment on ${object} has no ${tag}=` }
    }
    const { classes } = context.policy
    for (const [column, text] of [
      ['', table.comment],
      ...[...table.columns.values()].map((c) => [c.name, c.comment]),
    ]) {
      const known = parseTags(text ?? null)
      const name = column ? `${object}.${column}` : object
      const stated = known.get('class')
      if (column && !known.get('about'))
        yield { ...at, object: name, message: `column ${name} has no about= in its comment` }
      if (stated && !classes.includes(stated))
        yield { ...at, object: name, message: `${name} has the unknown class ${stated}` }
    }
  },
})
