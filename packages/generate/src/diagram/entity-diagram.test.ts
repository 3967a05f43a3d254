import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyCatalog, type Catalog } from '@imhotep/engine'
import { addColumn, addConstraint, addTable, addTenantTable } from '../../../../tests/support/catalog-builder.ts'
import { entityDiagram } from './entity-diagram.ts'

/** `a.things` belong to `a.boxes` and to `b.people`. */
function catalogOfThings(): Catalog {
  const catalog = emptyCatalog()
  const things = addTenantTable(catalog, 'a', 'things')
  addTenantTable(catalog, 'a', 'boxes')
  addTenantTable(catalog, 'b', 'people')
  for (const column of ['box_id', 'person_id', 'status', 'thing_no', 'colour']) addColumn(things, column, 'text')
  addConstraint(things, 'things_tenant', 'foreign key', ['tenant_id'], { references: 'core.tenants' })
  addConstraint(things, 'things_box', 'foreign key', ['tenant_id', 'box_id'], { references: 'a.boxes' })
  addConstraint(things, 'things_person', 'foreign key', ['tenant_id', 'person_id'], { references: 'b.people' })
  return catalog
}

function textsOf(svg: string): string[] {
  return [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text = '']) => text)
}

test('entityDiagram: a box lists state, numbers and references of its table, not its other columns', () => {
  const texts = textsOf(entityDiagram(catalogOfThings(), 'a'))

  assert.deepEqual(texts.slice(1, 6), ['things (operational)', 'status', 'thing_no', 'box_id →', 'person_id →'])
})

test('entityDiagram: tables of other schemas appear by name', () => {
  const texts = textsOf(entityDiagram(catalogOfThings(), 'a'))

  assert.deepEqual(texts, [
    'boxes (operational)',
    'things (operational)',
    'status',
    'thing_no',
    'box_id →',
    'person_id →',
    'b.people',
  ])
})

test('entityDiagram: an arrow for each reference, none for the tenant that every table refers to', () => {
  const svg = entityDiagram(catalogOfThings(), 'a')

  assert.equal(svg.match(/<path [^>]*marker-end/g)?.length, 2)
  assert.doesNotMatch(svg, /core\.tenants/)
})

test('entityDiagram: two references to one table are one arrow, one to itself is none', () => {
  const catalog = catalogOfThings()
  const things = catalog.tables.get('a.things')!
  addConstraint(things, 'things_second_box', 'foreign key', ['tenant_id', 'second_box_id'], { references: 'a.boxes' })
  addConstraint(things, 'things_parent', 'foreign key', ['tenant_id', 'parent_id'], { references: 'a.things' })

  const svg = entityDiagram(catalog, 'a')

  assert.equal(svg.match(/<path [^>]*marker-end/g)?.length, 2)
  assert.ok(textsOf(svg).includes('parent_id →'))
})

test('entityDiagram: every box lies within the picture', () => {
  const svg = entityDiagram(catalogOfThings(), 'a')

  const [, width = 0, height = 0] = (/viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? []).map(Number)
  const boxes = [...svg.matchAll(/<rect x="([\d.-]+)" y="([\d.-]+)" width="([\d.]+)" height="([\d.]+)"/g)]
  assert.equal(boxes.length, 3)
  for (const [, ...numbers] of boxes) {
    const [x = -1, y = -1, w = 0, h = 0] = numbers.map(Number)
    assert.ok(x >= 0 && y >= 0 && x + w <= width && y + h <= height, numbers.join(' '))
  }
})

test('entityDiagram: the same tables in another order give the same text', () => {
  const catalog = catalogOfThings()
  const turned = { ...catalog, tables: new Map([...catalog.tables].toReversed()) }

  assert.equal(entityDiagram(turned, 'a'), entityDiagram(catalog, 'a'))
})

test('entityDiagram: leaves out partitions, and a table without a comment has no class', () => {
  const catalog = emptyCatalog()
  addTable(catalog, 'a', 'plain', null)
  addTable(catalog, 'a', 'plain_y2026', null, { partitionOf: 'a.plain' })

  assert.deepEqual(textsOf(entityDiagram(catalog, 'a')), ['plain'])
})

test('entityDiagram: names are text, never markup', () => {
  const catalog = emptyCatalog()
  addTable(catalog, 'a', 'x<script>&', null)

  assert.deepEqual(textsOf(entityDiagram(catalog, 'a')), ['x&lt;script&gt;&amp;'])
})

test('entityDiagram: a schema without tables is an empty picture', () => {
  assert.match(entityDiagram(emptyCatalog(), 'z'), /^<svg [^>]*viewBox="0 0 \d+ \d+"/)
})
