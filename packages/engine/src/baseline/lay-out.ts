import type { PrintedObject } from '../print/printed-object.ts'
import { repeatable } from '../bundle/repeatable.ts'
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
  const groups = withKept(groupByTable(objects), kept)
  if (!split)
    return [{ name: 'V001__baseline.sql', text: fileText(groups, heading(dump, 'the whole schema')), repeatable: true }]
  return splitConcerns(objects, kept).map(({ concern, objects: own }, n) => ({
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
  const printed = kept.map(printedStatement)
  const firstTable = groups.findIndex(([object]) => object?.section === 'tables')
  const early = printed.filter((_, n) => isEarly(kept[n]))
  const late = printed.filter((_, n) => !isEarly(kept[n]))
  const at = firstTable < 0 ? groups.length : firstTable
  return [...groups.slice(0, at), ...early.map((one) => [one]), ...groups.slice(at), ...late.map((one) => [one])]
}

const EARLY = new Set(['DefineStmt', 'CreatePLangStmt', 'CreateCastStmt', 'CreateFdwStmt', 'CreateForeignServerStmt'])

function isEarly(kept: KeptStatement | undefined): boolean {
  return kept !== undefined && EARLY.has(kept.statement.kind)
}

function printedStatement({ statement, line }: KeptStatement): PrintedObject {
  const again = repeatable(statement)
  const text = 'text' in again ? again.text : unlessThere(statement.text)
  const note = `-- as written at line ${line} of the export`
  return {
    object: `statement at line ${line}`,
    kind: 'statement',
    schema: '',
    section: 'other',
    sql: `${note}\n${text};`,
  }
}

/** For what has neither IF NOT EXISTS nor a catalog that we know to look into. */
function unlessThere(text: string): string {
  const tag = text.includes('$once$') ? '$baseline_once$' : '$once$'
  return `do ${tag}
begin
  ${text};
exception
  when duplicate_object or duplicate_table or duplicate_function or unique_violation then null; -- it is there
end
${tag}`
}

const CONCERNS: readonly { readonly concern: string; readonly sections: readonly PrintedObject['section'][] }[] = [
  { concern: 'extensions', sections: ['roles', 'schemas', 'extensions'] },
  { concern: 'types', sections: ['types', 'sequences'] },
  { concern: 'tables', sections: ['tables', 'constraints', 'other'] },
  { concern: 'functions', sections: ['functions', 'views', 'triggers'] },
  { concern: 'security', sections: ['policies', 'grants'] },
  { concern: 'indexes', sections: ['indexes'] },
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
  return found < 0 || kind === 'statement' ? 2 : found
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
