import type { PrintedObject } from '../print/printed-object.ts'
import { putAsWritten, writtenAgain, writtenAt } from './as-written.ts'
import type { Dump } from './dump.ts'
import type { KeptStatement } from './fold-dump.ts'
import { splitSql } from '../parse/split-sql.ts'
import { definedName, groupByTable, namesOf } from './group-objects.ts'

export interface BaselineFile {
  /** `V001__baseline.sql` */
  readonly name: string
  readonly text: string
  /** It can be run again; increments are run once, by the history. */
  readonly repeatable: boolean
}

export interface LayOutOptions {
  readonly dump: Dump
  readonly split: boolean
}

/** Printed objects as the text of one migration, or of one a concern. */
export function layOut(
  objects: readonly PrintedObject[],
  kept: readonly KeptStatement[],
  { dump, split }: LayOutOptions,
): BaselineFile[] {
  const written = putAsWritten(objects, kept)
  const groups = withKept(groupByTable(written), kept)
  if (!split)
    return [{ name: 'V001__baseline.sql', text: fileText(groups, heading(dump, 'the whole schema')), repeatable: true }]
  return splitConcerns(written, kept).map(({ concern, objects: own }, n) => ({
    name: fileName(n + 1, concern),
    text: fileText(
      own.map((object) => [object]),
      heading(dump, concern),
    ),
    repeatable: true,
  }))
}

export function fileName(version: number, title: string): string {
  return `V${String(version).padStart(3, '0')}__${title}.sql`
}

function heading({ serverVersion }: Dump, what: string): string {
  const from = serverVersion === null ? 'an export' : `an export of PostgreSQL ${serverVersion}`
  return `-- Baseline: ${what}, from ${from}. Written by imhotep baseline; every statement can be run again.`
}

function fileText(groups: readonly (readonly PrintedObject[])[], head: string): string {
  const needsLateBodies = groups.some((group) => group.some(({ kind }) => kind === 'function'))
  const start = needsLateBodies ? `${head}\n\nset local check_function_bodies = off;` : head
  return `${[start, ...groups.map(groupText)].join('\n\n')}\n`
}

function groupText(group: readonly PrintedObject[]): string {
  const [first] = group
  const title = first && first.section === 'tables' && first.kind === 'table' ? `-- ${first.object.slice(6)}\n` : ''
  return title + group.map(({ sql }) => sql).join('\n')
}

/** What an export makes before its first table may be needed by tables, the rest may need them. */
function withKept(groups: PrintedObject[][], kept: readonly KeptStatement[]): PrintedObject[][] {
  const beside = kept.filter(({ instead }) => instead === null)
  const firstTable = groups.findIndex(([object]) => object?.section === 'tables')
  const start = firstTable < 0 ? groups.length : firstTable
  const placeOf = ({ statement }: KeptStatement) => {
    const behind = BEHIND[statement.kind]
    const last = behind === undefined ? -1 : groups.findLastIndex(([object]) => behind.test(object?.object ?? ''))
    return last < 0 ? start : last + 1
  }
  const early = beside.filter(isEarly).map((own) => ({ place: placeOf(own), group: [printedStatement(own)] }))
  const earlyAt = (place: number) => early.filter((own) => own.place === place).map(({ group }) => group)
  const late = beside.filter((own) => !isEarly(own)).map((own) => [printedStatement(own)])
  return [...groups.flatMap((group, n) => [...earlyAt(n), group]), ...earlyAt(groups.length), ...late]
}

/** What tables, indexes and foreign keys may need stands right behind what it alters. */
const BEHIND: Readonly<Record<string, RegExp>> = {
  AlterTSConfigurationStmt: /^other text search /,
  AlterOpFamilyStmt: /^other operator /,
}

const EARLY = new Set([
  'DefineStmt',
  'CreatePLangStmt',
  'CreateCastStmt',
  'CreateFdwStmt',
  'CreateForeignServerStmt',
  ...Object.keys(BEHIND),
])

function isEarly({ statement }: KeptStatement): boolean {
  return EARLY.has(statement.kind)
}

function printedStatement(kept: KeptStatement): PrintedObject {
  return {
    object: `statement at line ${kept.line}`,
    kind: 'statement',
    schema: '',
    // The late ones may need anything.
    section: isEarly(kept) ? 'tables' : 'other',
    sql: `${writtenAt(kept)}\n${writtenAgain(kept)}`,
  }
}

const CONCERNS: readonly { readonly concern: string; readonly sections: readonly PrintedObject['section'][] }[] = [
  { concern: 'extensions', sections: ['roles', 'schemas', 'extensions'] },
  { concern: 'types', sections: ['types', 'sequences'] },
  { concern: 'tables', sections: ['tables', 'constraints', 'other'] },
  { concern: 'functions', sections: ['functions', 'views', 'triggers'] },
  { concern: 'security', sections: ['policies', 'grants'] },
  { concern: 'indexes', sections: ['indexes'] },
  { concern: 'kept', sections: [] },
]

/**
 * One file a concern. What an earlier file needs of a later concern (a function in a default, a unique index under a
 * foreign key) stands in the earlier one.
 */
function splitConcerns(
  objects: readonly PrintedObject[],
  kept: readonly KeptStatement[],
): { readonly concern: string; readonly objects: PrintedObject[] }[] {
  const all = withKept(
    objects
      .flatMap((object) => (object.section === 'comments' ? singleComments(object) : [object]))
      .map((one) => [one]),
    kept,
  ).flat()
  const places = new Map(all.map((object) => [object, concernOf(object)]))
  const definers = new Map<string, PrintedObject>()
  for (const object of all) {
    const name = definedName(object)
    if (name !== null) definers.set(name, object)
  }
  // From the last to the first: what is pulled ahead pulls what it needs itself.
  for (const object of all.toReversed()) {
    for (const name of namesOf(object.sql)) {
      const needed = definers.get(name)
      const place = places.get(object) ?? 0
      if (needed && (places.get(needed) ?? 0) > place) places.set(needed, place)
    }
  }
  return CONCERNS.map(({ concern }, n) => ({
    concern,
    objects: all.filter((object) => places.get(object) === n),
  })).filter(({ objects: own }) => own.length > 0)
}

const TABLES = CONCERNS.findIndex(({ concern }) => concern === 'tables')

function concernOf({ kind, section, sql }: PrintedObject): number {
  const name =
    section === 'comments'
      ? (/^comment on (\w+)/.exec(sql)?.[1] ?? '')
      : section === 'indexes' && sql.startsWith('create unique')
        ? 'table'
        : ''
  const found = CONCERNS.findIndex(({ concern, sections }) =>
    name === '' ? sections.includes(section) : concern === (CONCERN_OF_COMMENT[name] ?? 'tables'),
  )
  if (kind === 'statement') return section === 'other' ? CONCERNS.length - 1 : TABLES
  return found < 0 ? TABLES : found
}

const CONCERN_OF_COMMENT: Readonly<Record<string, string>> = {
  schema: 'extensions',
  extension: 'extensions',
  type: 'types',
  domain: 'types',
  sequence: 'types',
  function: 'functions',
  procedure: 'functions',
  aggregate: 'functions',
  view: 'functions',
  materialized: 'functions',
  trigger: 'functions',
  policy: 'security',
  index: 'indexes',
}

function singleComments(object: PrintedObject): PrintedObject[] {
  return splitSql(object.sql).map(({ start, end }) => ({ ...object, sql: `${object.sql.slice(start, end)};` }))
}
