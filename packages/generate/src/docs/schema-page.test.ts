import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyCatalog, type Catalog, type Table } from '@imhotep/engine'
import {
  addColumn,
  addConstraint,
  addFunction,
  addTable,
  addTenantTable,
  addView,
} from '../../../../tests/support/catalog-builder.ts'
import { schemaPage } from './schema-page.ts'

/** The page of schema `a` with one table `a.things`, after `change`. */
function pageOf(change: (catalog: Catalog, things: Table) => void = () => {}): string {
  const catalog = emptyCatalog()
  change(catalog, addTenantTable(catalog, 'a', 'things'))
  return schemaPage(catalog, 'a', 'a.svg')
}

test('schemaPage: begins with what the schema is for, how much is in it, and its diagram', () => {
  const page = pageOf((catalog) => {
    catalog.schemas.set('a', { name: 'a', owner: 'a_owner', comment: 'owner=a;about=All about things.', grants: [] })
    addFunction(catalog, 'a', 'work')
    addFunction(catalog, 'a', 'rest')
    addView(catalog, 'a', 'all_things')
  })

  assert.match(page, /^# a\n/)
  assert.match(page, /^All about things\. 1 table, 1 view, 2 functions\.$/m)
  assert.match(page, /!\[Tables of a and what they refer to\]\(a\.svg\)/)
})

test('schemaPage: shows the tags of a table as facts, but for those that say none', () => {
  const page = pageOf((_, things) => {
    things.comment =
      'class=phi;scope=tenant;fhir=none;retention=medical_record;append_only=1;partition=month;about=Things; all of them.'
  })

  assert.match(page, /^## things\n\nThings; all of them\.$/m)
  assert.match(page, /^_class phi · scope tenant · retention medical_record · append-only · partitioned by month_$/m)
})

test('schemaPage: a column has its type, whether it may be null, its class, its meaning and what it refers to', () => {
  const page = pageOf((_, things) => {
    addColumn(things, 'seen_at', 'timestamp with time zone', { comment: 'class=phi;about=When it was seen.' })
    addColumn(things, 'owner_id', 'uuid', { notNull: false, comment: 'class=operational;about=Whose it is.' })
    addColumn(things, 'secret_enc', 'bytea', { comment: 'class=pii;enc=1;about=A secret.' })
    addConstraint(things, 'things_owner_fkey', 'foreign key', ['tenant_id', 'owner_id'], { references: 'b.owners' })
  })

  assert.match(page, /^\| `seen_at` \| timestamptz \|  \| phi \| When it was seen\. \|$/m)
  assert.match(page, /^\| `owner_id` \| uuid \| null \| operational \| Whose it is\. → `b\.owners` \|$/m)
  assert.match(page, /^\| `secret_enc` \| bytea \|  \| pii, encrypted \| A secret\. \|$/m)
})

test('schemaPage: standard columns are explained once, not in each table', () => {
  const page = pageOf((_, things) => {
    addColumn(things, 'created_at', 'timestamp with time zone')
  })

  assert.doesNotMatch(page, /^\| `(tenant_id|id|created_at)`/m)
  assert.match(page, /Tables have the standard columns `id`, `created_at`/)
})

test('schemaPage: a bar in a comment does not break the table', () => {
  const page = pageOf((_, things) => {
    addColumn(things, 'kind', 'text', { comment: 'class=operational;about=new | old.' })
  })

  assert.match(page, /new \\\| old\. \|$/m)
})

test('schemaPage: lists unique keys, exclusions and checks with a name, not lists of words', () => {
  const page = pageOf((_, things) => {
    addConstraint(things, 'things_code_key', 'unique', ['tenant_id', 'code'], {
      definition: 'UNIQUE (tenant_id, code)',
    })
    addConstraint(things, 'things_one_at_a_time', 'exclude', ['during'], {
      definition: 'EXCLUDE USING gist (during WITH &&)',
    })
    addConstraint(things, 'things_sound', 'check', ['n'], { definition: "CHECK ((n > 0)\n  AND (kind <> 'x'::text))" })
    addConstraint(things, 'things_kind_check', 'check', ['kind'], { definition: 'CHECK (kind = ANY (...))' })
  })

  assert.deepEqual(
    page.split('\n').filter((line) => line.startsWith('- `things_')),
    [
      '- `things_code_key`: `UNIQUE (tenant_id, code)`',
      '- `things_one_at_a_time`: `EXCLUDE USING gist (during WITH &&)`',
      "- `things_sound`: `CHECK ((n > 0) AND (kind <> 'x'))`",
    ],
  )
})

test('schemaPage: leaves out partitions, trigger functions, and what is of other schemas', () => {
  const page = pageOf((catalog) => {
    addTable(catalog, 'a', 'things_y2026', null, { partitionOf: 'a.things' })
    addTable(catalog, 'b', 'others', null)
    addFunction(catalog, 'a', 'keep', { returns: 'trigger' })
    addView(catalog, 'b', 'view_of_b')
  })

  assert.doesNotMatch(page, /things_y2026|others|keep|view_of_b|## Views|## Functions|## Enumerated types/)
})

test('schemaPage: views, functions and enumerated types come with their comments', () => {
  const page = pageOf((catalog) => {
    addView(catalog, 'a', 'all_things', { comment: 'class=operational;about=Every thing.' })
    addFunction(catalog, 'a', 'work', {
      arguments: 'p_id uuid,\n  p_n integer',
      returns: 'TABLE(id uuid,\n  n integer)',
      comment: 'about=Works.',
    })
    catalog.types.set('a.state', {
      schema: 'a',
      name: 'state',
      comment: 'about=States.',
      owner: 'a_owner',
      grants: [],
      kind: 'enum',
      labels: ['new', 'old'],
      base: null,
      default: null,
      collation: null,
      notNull: false,
      checks: [],
      attributes: [],
    })
  })

  assert.match(page, /^- `all_things`: Every thing\.$/m)
  assert.match(page, /^- `work\(p_id uuid, p_n integer\)` returns `TABLE\(id uuid, n integer\)`: Works\.$/m)
  assert.match(page, /^- `state` \(new, old\): States\.$/m)
})

test('schemaPage: tables are in the order of their names, whatever the order of the catalog', () => {
  const page = pageOf((catalog) => {
    addTenantTable(catalog, 'a', 'apples')
  })

  assert.ok(page.indexOf('## apples') < page.indexOf('## things'))
})
