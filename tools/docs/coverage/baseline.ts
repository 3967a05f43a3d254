import type { Requirement } from './requirement.ts'

const TESTS = 'packages/engine/src/baseline/baseline.pg.test.ts'

/** B: from the export of a database to a versioned schema. */
export const baseline: readonly Requirement[] = [
  {
    id: 'B1',
    asks: 'reads a pg_dump export and writes V001',
    state: 'built',
    objects: ['imhotep baseline', 'packages/engine/src/baseline/read-dump.ts', 'docs/guides/adopt-a-database.md'],
    tests: {
      'packages/engine/src/baseline/read-dump.test.ts': ['keeps what defines the schema, counts rows'],
      [TESTS]: ['the export itself and its baseline make the same schema'],
    },
  },
  {
    id: 'B2',
    asks: 'cleans up what pg_dump leaves',
    state: 'built',
    objects: ['packages/engine/src/baseline/lay-out.ts', 'packages/engine/src/baseline/group-objects.ts'],
    tests: { [TESTS]: ['what stands on a table stands behind it', 'one file a concern'] },
  },
  {
    id: 'B3',
    asks: 'makes every statement repeatable',
    state: 'built',
    objects: ['packages/engine/src/bundle/repeatable.ts'],
    tests: { [TESTS]: ['make the same schema, once and twice'] },
  },
  {
    id: 'B4',
    asks: 'ensures policies of row level security',
    state: 'built',
    objects: ['packages/engine/src/baseline/additions/rls.ts'],
    tests: { [TESTS]: ['the rules of tenancy hold on what it makes, and no attack gets through'] },
  },
  {
    id: 'B5',
    asks: 'adds the fields of compliance that are missing',
    state: 'built',
    objects: ['packages/engine/src/baseline/additions/compliance.ts'],
    tests: { [TESTS]: ['with additions it differs in the list and in nothing else'] },
    note: 'Classes, owners and retention come from the policy of the project: no program can tell them from a schema.',
  },
  {
    id: 'B6',
    asks: 'adds tenant and audit columns',
    state: 'built',
    objects: [
      'packages/engine/src/baseline/additions/tenant.ts',
      'packages/engine/src/baseline/additions/audit.ts',
      'docs/decisions/0015-a-baseline-adds-statements.md',
    ],
    tests: { [TESTS]: ['with additions it differs in the list and in nothing else'] },
  },
  {
    id: 'B7',
    asks: 'changes nothing else, and proves it',
    state: 'built',
    objects: ['packages/engine/src/baseline/prove.ts', 'packages/engine/src/baseline/attribute.ts'],
    tests: {
      [TESTS]: ['a baseline that lost something is found out', 'an addition that is not in the list is found out'],
      'packages/engine/src/baseline/attribute.test.ts': ['a difference that no addition explains is left over'],
      'tests/versions.slow.test.ts': ['the export of the whole schema makes it anew'],
    },
  },
  {
    id: 'B8',
    asks: 'a new database and one that has the schema are each one command',
    state: 'built',
    objects: ['imhotep migrate', 'imhotep baseline', 'packages/engine/src/migrate/mark-baseline.ts'],
    tests: {
      [TESTS]: ['a database that is what the export says gets its mark', 'a database that differs is refused'],
      'packages/engine/src/migrate/mark-baseline.pg.test.ts': ['refuses a database that has a history'],
    },
    note: 'imhotep migrate for a new one; imhotep baseline DUMP --adopt URL, which compares first, for one that is there.',
  },
]
