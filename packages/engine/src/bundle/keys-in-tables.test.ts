import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fixtureModule } from '../../../../tests/support/fixture-module.ts'
import type { Module } from '../modules/module.ts'
import { planModules } from '../plan/plan-modules.ts'
import { bundleModules } from './bundle-modules.ts'

const base = fixtureModule('base', [], { '100-t.sql': 'create table base.t (id int primary key);' })
const key = (name: string, references: string): string =>
  `alter table shop.a add constraint ${name} foreign key (id) references ${references} (id);\n`

/** The script without its head. */
async function bodyOf(files: Record<string, string>, others: Module[] = [base], requires = ['base']): Promise<string> {
  const script = bundleModules(await planModules([fixtureModule('shop', requires, files), ...others]))
  return script.slice(script.indexOf('-- TABLES'))
}

test('keysInTables: writes a key into its table as a person would, with the comments around both', async () => {
  const body = await bodyOf({
    '100-a.sql': `-- Some "(" in a comment.
create table shop."a(" (
  id int check (id in (1, 2)),
  parent int, -- who is above
  constraint a_pkey primary key (id) -- not, yet, a comma
);
-- to the other side
-- of the street
alter table shop."a(" add constraint a_base_fkey
    foreign key (id)
    references base.t (id) on delete cascade deferrable initially deferred; -- checked at commit
alter table only shop."a(" add constraint a_parent_fkey foreign key (parent) references shop."a(" (id);
create index a_idx on shop."a(" (id);`,
  })

  assert.ok(
    body.includes(`-- Some "(" in a comment.
create table if not exists shop."a(" (
  id int check (id in (1, 2)),
  parent int, -- who is above
  constraint a_pkey primary key (id), -- not, yet, a comma
  -- to the other side
  -- of the street
  constraint a_base_fkey
    foreign key (id)
    references base.t (id) on delete cascade deferrable initially deferred, -- checked at commit
  constraint a_parent_fkey foreign key (parent) references shop."a(" (id)
);
create index if not exists a_idx`),
    body,
  )
  assert.ok(!body.includes('FOREIGN KEYS'), body)
})

test('keysInTables: the list of a partitioned table is the one behind its name', async () => {
  const body = await bodyOf({
    '100-a.sql': `create table shop.a (id int, day date not null) partition by range (day);
create table shop.a_rest partition of shop.a default;
${key('a_fkey', 'base.t')}`,
  })

  assert.ok(
    body.includes(`shop.a (id int, day date not null,
  constraint a_fkey foreign key (id) references base.t (id)
) partition by range (day);\n`),
    body,
  )
})

const a = 'create table shop.a (id int primary key);\n'

const LEFT_OUTSIDE: [title: string, files: Record<string, string>, requires?: string[]][] = [
  [
    'a key to a table that is made below',
    { '100-a.sql': a + key('a_fkey', 'shop.b'), '110-b.sql': 'create table shop.b (id int primary key);' },
  ],
  ['a key into a module that not every plan with the table has', { '100-a.sql': a + key('a_fkey', 'base.t') }, []],
  [
    'a key to columns that become unique by a later statement',
    {
      '100-a.sql': `create table shop.b (id int);\ncreate unique index b_key on shop.b (id);\n${a}${key('a_fkey', 'shop.b')}`,
    },
  ],
  [
    'a key of a column that a later statement adds',
    {
      '100-a.sql': `create table shop.a (x int);\nalter table shop.a add column id int;\n${key('a_fkey', 'base.t')}`,
    },
  ],
  [
    'a key of a partition',
    {
      '100-a.sql': `create table shop.p (id int) partition by list (id);
        create table shop.a partition of shop.p default;\n${key('a_fkey', 'base.t')}`,
    },
  ],
  [
    'a key that does not hold for old rows',
    {
      '100-a.sql': a + 'alter table shop.a add constraint a_fkey foreign key (id) references base.t (id) not valid;',
    },
  ],
  [
    'a key of a table that gets rows before',
    {
      '100-a.sql': `${a}insert into shop.a values (1) on conflict do nothing;
        insert into base.t values (1) on conflict do nothing;\n${key('a_fkey', 'base.t')}`,
    },
  ],
]

for (const [title, files, requires] of LEFT_OUTSIDE) {
  test(`keysInTables: leaves ${title} a statement of its own`, async () => {
    const body = await bodyOf(files, [base], requires)

    assert.match(body, /FOREIGN KEYS[^]*conname = 'a_fkey'\) then\n {4}alter table shop\.a add constraint a_fkey/)
    assert.equal(body.match(/constraint a_fkey/g)?.length, 1)
  })
}

test('keysInTables: leaves a key that another module adds where that module is', async () => {
  const late = fixtureModule('late', ['shop'], { '100-keys.sql': key('a_fkey', 'base.t') })

  const body = await bodyOf({ '100-a.sql': a }, [base, late])

  assert.match(body, /-- late: foreign keys\n\ndo \$\$[^]*a_fkey/)
})

test('keysInTables: a required module may be required by way of another', async () => {
  const middle = fixtureModule('middle', ['base'], { '000-schema.sql': 'create schema middle;' })

  const body = await bodyOf({ '100-a.sql': a + key('a_fkey', 'base.t') }, [middle, base], ['middle'])

  assert.match(body, /primary key,\n {2}constraint a_fkey foreign key \(id\) references base\.t \(id\)\n\);/)
})
