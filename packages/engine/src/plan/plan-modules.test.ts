import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UsageError } from '@imhotep/base'
import { fixtureModule } from '../../../../tests/support/fixture-module.ts'
import { ModuleError } from '../modules/module-error.ts'
import { SqlSyntaxError } from '../parse/syntax-error.ts'
import { planModules } from './plan-modules.ts'

const module = fixtureModule

const base = module('base', [], {
  '000-schema.sql': 'create schema base;',
  '100-a.sql': `create table base.a (id int primary key);
    alter table base.a add constraint a_shop_fkey foreign key (id) references shop.s (id);
    comment on constraint a_shop_fkey on base.a is 'x';
    create index a_idx on base.a (id);`,
  '300-view.sql': 'create view base.v as select 1 as one;',
  '400-grants.sql': 'grant select on base.v to public;',
})
const shop = module('shop', ['base'], {
  '000-schema.sql': 'create schema shop;',
  '100-s.sql': `create table shop.s (id int primary key);
    alter table shop.s add constraint s_a_fkey foreign key (id) references base.a (id);`,
  '200-work.sql': `create function shop.f() returns int language sql as 'select 1';`,
})
const other = module('other', [], { '000-schema.sql': 'create schema other;' })

test('planModules: foundations, tables, foreign keys, functions, views, grants, each in dependency order', async () => {
  const plan = await planModules([shop, other, base])

  assert.deepEqual(
    plan.sections.map((section) => [section.title, section.file, section.statements.length]),
    [
      ['foundation of base', 'base/000-schema.sql', 1],
      ['foundation of other', 'other/000-schema.sql', 1],
      ['foundation of shop', 'shop/000-schema.sql', 1],
      ['tables of base', 'base/100-a.sql', 2],
      ['tables of shop', 'shop/100-s.sql', 1],
      ['foreign keys of base', 'base/100-a.sql', 2],
      ['foreign keys of shop', 'shop/100-s.sql', 1],
      ['functions of shop', 'shop/200-work.sql', 1],
      ['views of base', 'base/300-view.sql', 1],
      ['grants of base', 'base/400-grants.sql', 1],
    ],
  )
  assert.deepEqual(plan.leftOut, [])
})

test('planModules: a choice takes what it requires with it and says so', async () => {
  const plan = await planModules([base, shop, other], { select: ['shop'] })

  assert.deepEqual(
    plan.modules.map(({ name }) => name),
    ['base', 'shop'],
  )
  assert.deepEqual(plan.added, ['base'])
})

test('planModules: tells what each module cannot be without, also by way of others', async () => {
  const tail = module('tail', ['shop'], { '000-schema.sql': 'create schema tail;' })

  const plan = await planModules([tail, shop, base])

  assert.deepEqual(
    plan.modules.map(({ name, requires }) => [name, requires]),
    [
      ['base', []],
      ['shop', ['base']],
      ['tail', ['base', 'shop']],
    ],
  )
})

test('planModules: leaves out foreign keys into modules that are not chosen, with their comments', async () => {
  const plan = await planModules([base, shop], { select: ['base'] })

  assert.ok(!plan.sections.some((section) => section.part === 'foreign keys'))
  assert.equal(plan.sections.find((section) => section.part === 'tables')?.statements.length, 2)
  assert.deepEqual(plan.leftOut, [
    {
      module: 'base',
      table: 'base.a',
      constraint: 'a_shop_fkey',
      references: 'shop.s',
      file: 'base/100-a.sql',
      line: 2,
    },
  ])
})

test('planModules: the order in which modules are given does not matter', async () => {
  const modules = [
    base,
    shop,
    other,
    module('tail', ['shop', 'other'], { '100-t.sql': 'create table tail.t (id int)' }),
  ]
  const expected = await planModules(modules)

  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(modules, { minLength: modules.length }), async (shuffled) => {
      assert.deepEqual(await planModules(shuffled), expected)
    }),
  )
})

test('planModules: keeps comments with the statement they belong to', async () => {
  const text = `-- about the file

-- about a
create table base.a (id int); -- end of a
/* about b */ create index b on base.a (id); ;
-- lost`

  const plan = await planModules([module('base', [], { '100-a.sql': text })])

  assert.deepEqual(
    plan.sections[0]?.statements.map(({ leading, trailing, spaced }) => ({ leading, trailing, spaced })),
    [
      { leading: '-- about the file\n\n-- about a', trailing: '-- end of a', spaced: true },
      { leading: '/* about b */', trailing: '', spaced: false },
    ],
  )
})

test('planModules: refuses foreign keys inside CREATE TABLE and into tables that nobody creates', async () => {
  const hidden = module('base', [], { '100-a.sql': '\ncreate table base.a (id int references base.b (id));' })
  const dangling = module('base', [], {
    '100-a.sql': 'alter table base.a add constraint a_fkey foreign key (id) references base.nothing (id);',
  })

  await assert.rejects(
    planModules([hidden]),
    (error) => error instanceof ModuleError && /base\/100-a.sql:2: /.test(error.message),
  )
  await assert.rejects(
    planModules([dangling]),
    (error) => error instanceof ModuleError && /base.nothing/.test(error.message),
  )
})

test('planModules: refuses a table in a file that stands behind the foreign keys', async () => {
  const late = module('base', [], { '200-a.sql': 'create table base.a (id int);' })

  await assert.rejects(
    planModules([late]),
    (error) => error instanceof ModuleError && /base\/200-a.sql:1: /.test(error.message),
  )
})

test('planModules: refuses unknown modules and files that do not parse', async () => {
  const broken = module('base', [], { '100-a.sql': 'create tabel base.a ();' })

  await assert.rejects(planModules([base], { select: ['bass'] }), UsageError)
  await assert.rejects(planModules([broken]), SqlSyntaxError)
})
