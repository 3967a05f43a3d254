import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyCatalog, type Catalog, type Table } from '@imhotep/engine'
import {
  addColumn,
  addConstraint,
  addFunction,
  addIndex,
  addTable,
  addTrigger,
  soundCatalog,
} from '../../../tests/support/catalog-builder.ts'
import {
  all,
  columnTag,
  everyTable,
  hasCheck,
  hasClass,
  hasColumns,
  hasFunction,
  hasReference,
  hasTrigger,
  hasUnique,
  inSchemas,
  nameOf,
  noFinding,
  sameAs,
  tagOf,
  textColumns,
} from './checks.ts'
import { inspectionOf } from './inspection.fixture.ts'
import { fail, needsPerson, notApplicable, pass, type ComplianceRule, type Verdict } from './rule.ts'

type Change = (catalog: Catalog, things: Table) => void

function verdictOf(check: ComplianceRule['check'], ...changes: Change[]): Promise<Verdict> | Verdict {
  return check(inspectionOf(soundCatalog(...changes)))
}

/** The verdict with its text, as one line. */
async function answer(check: ComplianceRule['check'], ...changes: Change[]): Promise<string> {
  const verdict = await verdictOf(check, ...changes)
  return `${verdict.verdict}: ${'evidence' in verdict ? verdict.evidence : verdict.reason}`
}

test('tags: of a table, of a column, and of what is not there', () => {
  const things = addTable(emptyCatalog(), 'a', 'things', 'class=phi;scope=tenant;about=Things.')
  addColumn(things, 'note', 'text', { comment: 'class=pii;enc=1;about=A note.' })

  assert.equal(nameOf(things), 'a.things')
  assert.equal(tagOf(things, 'class'), 'phi')
  assert.equal(tagOf(things, 'fhir'), undefined)
  assert.equal(columnTag(things, 'note', 'enc'), '1')
  assert.equal(columnTag(things, 'other', 'enc'), undefined)
})

test('hasClass and inSchemas: choose tables by class and by schema', () => {
  const things = addTable(emptyCatalog(), 'a', 'things', 'class=phi;about=Things.')
  const untold = addTable(emptyCatalog(), 'b', 'untold', null)

  assert.deepEqual([things, untold].map(hasClass('phi', 'pii')), [true, false])
  assert.deepEqual([things, untold].map(inSchemas('b', 'c')), [false, true])
})

test('all: passes with the evidence of each check', async () => {
  const check = all(
    () => pass('2 tables'),
    () => Promise.resolve(pass('3 rows')),
  )

  assert.deepEqual(await verdictOf(check), pass('2 tables; 3 rows'))
})

for (const verdict of [fail('broken', ['a.things']), notApplicable('no rows yet'), needsPerson('look at it')]) {
  test(`all: the first check that answers '${verdict.verdict}' decides, and those behind it do not run`, async () => {
    let ran = false
    const check = all(
      () => pass('2 tables'),
      () => verdict,
      () => {
        ran = true
        return pass('')
      },
    )

    assert.deepEqual(await verdictOf(check), verdict)
    assert.equal(ran, false)
  })
}

test('everyTable: counts what it looked at', async () => {
  const check = everyTable('tables of a', inSchemas('a'), () => null)

  assert.equal(await answer(check), 'pass: 1 tables of a')
})

test('everyTable: names each table with its flaw', async () => {
  const check = everyTable(
    'tables',
    () => true,
    (table) => (table.name === 'things' ? 'is red' : null),
  )

  assert.deepEqual(await verdictOf(check), fail('2 tables, 1 against the rule', ['a.things: is red']))
})

test('everyTable: fails when no table is chosen', async () => {
  const check = everyTable('tables of z', inSchemas('z'), () => null)

  assert.equal(await answer(check), 'fail: 0 tables of z: the check had nothing to look at')
})

test('everyTable: sees the parent of partitions, not the partitions', async () => {
  const check = everyTable('tables of a', inSchemas('a'), () => null)

  const text = await answer(check, (catalog) => {
    addTable(catalog, 'a', 'things_y2026', null, { partitionOf: 'a.things' })
  })

  assert.equal(text, 'pass: 1 tables of a')
})

test('noFinding: passes where the rules of the engine found nothing', async () => {
  assert.equal(await answer(noFinding(['rls-forced'])), 'pass: 2 tables against rls-forced')
})

test('noFinding: tells what a rule of the engine found', async () => {
  const verdict = await verdictOf(noFinding(['rls-forced', 'rls-enabled']), (_, things) => {
    things.rlsForced = false
  })

  assert.equal(verdict.verdict, 'fail')
  assert.match('offenders' in verdict ? verdict.offenders.join() : '', /^rls-forced: .*a\.things/)
})

test('noFinding: leaves out what other rules found, and tables that are not chosen', async () => {
  const unforced: Change = (_, things) => {
    things.rlsForced = false
  }

  assert.match(await answer(noFinding(['tenant-policy']), unforced), /^pass/)
  assert.match(await answer(noFinding(['rls-forced'], inSchemas('core')), unforced), /^pass: 1 tables/)
})

test('noFinding: a partition counts as the table that it is a part of', async () => {
  const text = await answer(noFinding(['rls-forced'], inSchemas('a')), (catalog) => {
    addTable(catalog, 'a', 'things_y2026', null, { partitionOf: 'a.things', rlsForced: false })
  })

  assert.match(text, /^fail: 1 tables/)
})

test('noFinding: fails when no table is chosen', async () => {
  assert.match(await answer(noFinding(['rls-forced'], inSchemas('z'))), /^fail: .*nothing to look at$/)
})

test('hasColumns: passes when each table has its columns', async () => {
  const check = hasColumns({ 'a.things': ['tenant_id!', 'id'] })

  assert.equal(await answer(check), 'pass: 2 columns of 1 tables')
})

test('hasColumns: names what is missing and what may be null', async () => {
  const check = hasColumns({ 'a.things': ['note!', 'colour'], 'a.nothing': ['id'] })

  const verdict = await verdictOf(check, (_, things) => {
    addColumn(things, 'note', 'text', { notNull: false })
  })

  assert.deepEqual(
    verdict,
    fail('3 columns of 2 tables, 3 against the rule', [
      'a.things.note may be null',
      'a.things.colour is missing',
      'a.nothing.id is missing',
    ]),
  )
})

test('hasColumns: fails when it is asked for nothing', async () => {
  assert.match(await answer(hasColumns({})), /^fail: 0 columns of 0 tables: the check had nothing to look at/)
})

const checkOf =
  (definition: string, validated = true): Change =>
  (_, things) => {
    addConstraint(things, 'things_sound', 'check', ['n'], { definition, validated })
  }

test('hasCheck: one check satisfies every pattern', async () => {
  const check = hasCheck('a.things', /n > 0/, /n < 9/)

  assert.equal(await answer(check, checkOf('CHECK (n > 0 AND n < 9)')), 'pass: check things_sound of a.things')
})

test('hasCheck: fails with a check that satisfies a part, with one that was never validated, and without any', async () => {
  const check = hasCheck('a.things', /n > 0/, /n < 9/)

  assert.match(await answer(check, checkOf('CHECK (n > 0)')), /^fail: no check of a\.things matches/)
  assert.match(await answer(check, checkOf('CHECK (n > 0 AND n < 9) NOT VALID', false)), /^fail/)
  assert.match(await answer(hasCheck('a.nothing', /n/)), /^fail/)
})

const uniqueOf =
  (keys: string[], predicate: string | null = null, more = {}): Change =>
  (_, things) => {
    addIndex(things, 'things_code_key', keys, { unique: true, predicate, ...more })
  }

test('hasUnique: takes the columns in any order, for all rows or for those that are not deleted', async () => {
  const check = hasUnique('a.things', ['tenant_id', 'code'])

  assert.equal(await answer(check, uniqueOf(['code', 'tenant_id'])), 'pass: unique things_code_key of a.things')
  assert.match(await answer(check, uniqueOf(['tenant_id', 'code'], '(deleted_at IS NULL)')), /^pass/)
})

test('hasUnique: fails with other columns, another predicate, an invalid index, and without the table', async () => {
  const check = hasUnique('a.things', ['tenant_id', 'code'])

  assert.match(await answer(check, uniqueOf(['tenant_id'])), /^fail: a\.things has no unique key of tenant_id, code/)
  assert.match(await answer(check, uniqueOf(['tenant_id', 'code'], "(status = 'open')")), /^fail/)
  assert.match(await answer(check, uniqueOf(['tenant_id', 'code'], null, { valid: false })), /^fail/)
  assert.match(await answer(check, uniqueOf(['tenant_id', 'code'], null, { unique: false })), /^fail/)
  assert.match(await answer(hasUnique('a.nothing', ['id'])), /^fail/)
})

test('hasUnique: with a predicate takes only an index that has it', async () => {
  const check = hasUnique('a.things', ['tenant_id', 'code'], /open/)

  assert.match(await answer(check, uniqueOf(['tenant_id', 'code'], "(status = 'open')")), /^pass/)
  assert.match(await answer(check, uniqueOf(['tenant_id', 'code'])), /^fail: .* where \/open\//)
})

const triggerOf =
  (enabled: 'origin' | 'always' | 'replica' | 'disabled'): Change =>
  (_, things) => {
    addTrigger(things, 'keep', { function: 'core.refuse_change', enabled })
  }

test('hasTrigger: finds it by the name of its function or by a pattern', async () => {
  assert.equal(
    await answer(hasTrigger('a.things', 'core.refuse_change'), triggerOf('origin')),
    'pass: trigger keep of a.things',
  )
  assert.match(await answer(hasTrigger('a.things', /^core\.refuse/), triggerOf('always')), /^pass/)
})

test('hasTrigger: fails when it is off, calls something else, or is not there', async () => {
  const check = hasTrigger('a.things', 'core.refuse_change')

  assert.match(await answer(check, triggerOf('disabled')), /^fail: no trigger of a\.things calls core\.refuse_change/)
  assert.match(await answer(check, triggerOf('replica')), /^fail/)
  assert.match(await answer(hasTrigger('a.things', 'core.refuse'), triggerOf('origin')), /^fail/)
  assert.match(await answer(hasTrigger('a.nothing', /./)), /^fail/)
})

const referenceOf =
  (references: string, validated = true): Change =>
  (_, things) => {
    addConstraint(things, 'things_owner_fkey', 'foreign key', ['tenant_id', 'owner_id'], { references, validated })
  }

test('hasReference: finds the column in a foreign key of several columns', async () => {
  const check = hasReference('a.things', 'owner_id', 'a.owners')

  assert.equal(await answer(check, referenceOf('a.owners')), 'pass: foreign key things_owner_fkey of a.things')
})

test('hasReference: fails for another target, one that was never validated, and without any', async () => {
  const check = hasReference('a.things', 'owner_id', 'a.owners')

  assert.match(await answer(check, referenceOf('a.users')), /^fail: a\.things\.owner_id is no reference to a\.owners/)
  assert.match(await answer(check, referenceOf('a.owners', false)), /^fail/)
  assert.match(await answer(hasReference('a.nothing', 'owner_id', 'a.owners')), /^fail/)
})

test('hasFunction: takes any arguments, and fails when there is none of the name', async () => {
  const added: Change = (catalog) => {
    addFunction(catalog, 'a', 'work', { argumentTypes: ['uuid'] })
  }

  assert.equal(await answer(hasFunction('a.work'), added), 'pass: function a.work')
  assert.deepEqual(await verdictOf(hasFunction('a.rest'), added), fail('there is no function a.rest', ['a.rest']))
})

test('sameAs: answers as the rule of the other family, which must exist', async () => {
  const rule = { id: 'X-01', source: 's', rule: 'r', kind: 'catalogue', check: () => pass('looked') } as const
  const family = { name: 'x', title: 'X', unconfirmedClauses: false, rules: [rule] }

  assert.deepEqual(await verdictOf(sameAs(family, 'X-01')), pass('looked'))
  assert.throws(() => sameAs(family, 'X-02'), /there is no rule X-02/)
})

test('textColumns: are the columns of text, lists of text and documents that are not computed', () => {
  const table = addTable(emptyCatalog(), 'shop', 'orders', null)
  for (const type of ['text', 'character varying(20)', 'text[]', 'jsonb', 'integer', 'bytea'])
    addColumn(table, `a ${type}`, type)
  addColumn(table, 'computed', 'text', { generated: 'upper(a)' })

  assert.deepEqual(textColumns(table), ['a text', 'a character varying(20)', 'a text[]', 'a jsonb'])
})
