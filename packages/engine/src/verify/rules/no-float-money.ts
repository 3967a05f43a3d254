import type { Column, Table } from '../../catalog/model.ts'
import { classOf, nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'
import { parseTags } from '../tags.ts'

const moneyWords =
  /(^|_)(amount|price|cost|fee|fees|total|balance|charge|charges|paid|due|tax|discount|payable)(_|$)|(^|_)(exchange|interest|billing|unit)_rate$/

export const noFloatMoney = defineRule<{ table: Table; column: Column }>({
  id: 'no-float-money',
  family: 'structure',
  severity: 'error',
  effect:
    'Sums of money come out wrong by a fraction, differently on each run; type money depends on a server setting.',
  instead: 'numeric(14,2), or bigint minor units where it is searched by range.',
  *subjects(context) {
    for (const table of context.tables) for (const column of table.columns.values()) yield { table, column }
  },
  *check({ table, column }, context) {
    const isFloat = /^(real|double precision)(\[\])?$/.test(column.type)
    const financial = parseTags(column.comment).get('class') === 'financial' || classOf(table, context) === 'financial'
    const suspicious = column.type.startsWith('money') || (isFloat && (financial || moneyWords.test(column.name)))
    if (!suspicious) return
    const object = `${nameOf(table)}.${column.name}`
    yield { object, message: `${object} keeps money as ${column.type}`, position: column.position ?? table.position }
  },
})
