import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { hospitalDatabase } from '../../../tests/support/database.ts'

const schemas = ['medication', 'inventory', 'laboratory', 'blood_bank', 'billing', 'payment', 'insurance']

interface Table {
  readonly name: string
  readonly columns: readonly {
    readonly name: string
    readonly type: string
    readonly required: boolean
    readonly unlimited: boolean
    /** Computed from columns that are looked at themselves. */
    readonly generated: boolean
  }[]
  readonly checks: readonly string[]
}

test('quantities, values and amounts: no column takes NaN, which is greater than any number, or infinity', async () => {
  await using hospital = await hospitalDatabase()
  const db = connect(hospital.url)
  try {
    const tables = await db.query<Table>(
      `select
         c.oid::regclass::text as name,
         (
           select jsonb_agg(jsonb_build_object(
             'name', quote_ident(a.attname), 'type', format_type(a.atttypid, null), 'required', a.attnotnull,
             'unlimited', a.atttypid = 'numeric'::regtype and a.atttypmod = -1, 'generated', a.attgenerated <> ''
           ))
           from pg_attribute a
           where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         ) as columns,
         array(select pg_get_expr(k.conbin, k.conrelid) from pg_constraint k where k.conrelid = c.oid and k.contype = 'c') as checks
       from pg_class c
       where c.relnamespace::regnamespace::text = any ($1) and c.relkind in ('r', 'p') and not c.relispartition
       order by 1`,
      [schemas],
    )
    const taken: string[] = []
    for (const { name, columns, checks } of tables) {
      for (const odd of columns.filter(({ type, generated }) => type === 'numeric' && !generated)) {
        // everything that may be unknown is, the other numbers are 1
        const row = (value: string) =>
          columns.map((column) => {
            if (column === odd) return `'${value}'::numeric as ${column.name}`
            const isNumber = column.required && ['numeric', 'integer', 'smallint', 'bigint'].includes(column.type)
            return `${isNumber ? '1' : 'null'}::${column.type} as ${column.name}`
          })
        const refusals = (value: string) =>
          `(select array[${checks.map((check) => `coalesce(not (${check}), false)`).join(', ')}]::boolean[] as by
            from (select ${row(value).join(', ')}) t)`
        for (const value of odd.unlimited ? ['NaN', 'Infinity', '-Infinity'] : ['NaN']) {
          // by a check that some number passes
          const [found] = await db.query<{ refused: boolean }>(
            `select coalesce(bool_or(r.odd and not (r.zero and r.one and r.more)), false) as refused
             from ${refusals(value)} v, ${refusals('0')} a, ${refusals('1')} b, ${refusals('37')} c,
               unnest(v.by, a.by, b.by, c.by) as r (odd, zero, one, more)`,
          )
          if (found?.refused !== true) taken.push(`${name}.${odd.name} ${value}`)
        }
      }
    }

    assert.ok(tables.length > 40)
    assert.deepEqual(taken, [])
  } finally {
    await db.close()
  }
})
