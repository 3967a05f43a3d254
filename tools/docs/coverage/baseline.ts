import type { Requirement } from './requirement.ts'

/** B: from the export of a database to a versioned schema. */
export const baseline: readonly Requirement[] = [
  {
    id: 'B1',
    asks: 'reads a pg_dump export and writes V001',
    state: 'later',
    missing: 'The command. Exports can be read as a catalog.',
    objects: ['packages/engine/src/catalog/files.ts'],
    tests: { 'packages/engine/src/catalog/files.pg.test.ts': ['what PostgreSQL makes of the same text'] },
  },
  { id: 'B2', asks: 'cleans up what pg_dump leaves', state: 'later', missing: 'Comes with B1.' },
  {
    id: 'B3',
    asks: 'makes every statement repeatable',
    state: 'later',
    missing: 'Comes with B1. The bundle of our own modules does it already.',
    objects: ['packages/engine/src/bundle/repeatable.ts'],
    tests: { 'packages/engine/src/bundle/repeatable.test.ts': ['repeatable: a guard picks a dollar quote'] },
  },
  { id: 'B4', asks: 'ensures policies of row level security', state: 'later', missing: 'Comes with B1.' },
  { id: 'B5', asks: 'adds the fields of compliance that are missing', state: 'later', missing: 'Comes with B1.' },
  { id: 'B6', asks: 'adds tenant and audit columns', state: 'later', missing: 'Comes with B1.' },
  {
    id: 'B7',
    asks: 'changes nothing else, and proves it',
    state: 'later',
    missing: 'Comes with B1. Two catalogs can be compared already.',
    objects: ['packages/engine/src/catalog/compare.ts'],
    tests: {
      'packages/engine/src/catalog/live.pg.test.ts': ['each change of a live schema is found, and nothing else'],
    },
  },
  {
    id: 'B8',
    asks: 'a new database and one that has the schema are each one command',
    state: 'built',
    objects: ['imhotep migrate', 'packages/engine/src/migrate/mark-baseline.ts', 'docs/guides/migrate-production.md'],
    tests: {
      'packages/engine/src/migrate/mark-baseline.pg.test.ts': [
        'records versions without running them',
        'refuses a database that has a history',
      ],
    },
    note: 'imhotep migrate, and imhotep migrate --baseline 001. It believes that the database has the schema: the proof is B7.',
  },
]
