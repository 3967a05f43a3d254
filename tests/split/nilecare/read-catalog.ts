import { readdir, readFile } from 'node:fs/promises'
import type {
  ReferentialAction,
  SharedColumn,
  SharedForeignKey,
  SharedTable,
} from '../../../packages/split/src/model.ts'
import type { SharedCatalog, SharedRoutine } from '../../../packages/split/src/side.ts'
import { nilecareFolder } from './install.ts'

const schema = 'nilecare'

/** The catalog of NileCare from its files, for tests without a server. It reads the way these files are written, no other. */
export async function readNilecareCatalog(): Promise<SharedCatalog> {
  const tables = (await textsOf('tables')).flatMap((text) => [
    ...text.matchAll(/^create table (\w+) \(\n([^]*?)\n\) /gm),
  ])
  const code = (await textsOf('code')).flatMap((text) => text.replace(/^delimiter .*$/gm, '').split(/\/\/$/m))
  const objects = code.map((text) => text.trim()).filter((text) => text !== '')
  const routines = objects.map(toRoutine)
  return {
    tables: tables.map(([, name = '', body = '']) => toTable(name, body.split(/,?\n/))),
    views: routines.filter(({ kind }) => kind === 'view'),
    routines: routines.filter(({ kind }) => kind === 'function' || kind === 'procedure' || kind === 'event'),
    triggers: routines
      .filter(({ kind }) => kind === 'trigger')
      .map((trigger) => ({
        ...trigger,
        table: { schema, name: / on (\w+) for each row/.exec(trigger.body)?.[1] ?? '' },
      })),
  }
}

async function textsOf(folder: string): Promise<string[]> {
  const files = (await readdir(`${nilecareFolder}${folder}`)).toSorted()
  return Promise.all(files.map((file) => readFile(`${nilecareFolder}${folder}/${file}`, 'utf8')))
}

function toTable(name: string, lines: readonly string[]): SharedTable {
  const columns = lines.flatMap((line) => toColumn(line.trim()) ?? [])
  const primary = /primary key \(([^)]*)\)/.exec(lines.join('\n'))?.[1]
  return {
    schema,
    name,
    columns,
    primaryKey: primary?.split(', ') ?? [],
    indexes: [],
    foreignKeys: lines.flatMap((line) => toForeignKey(line.trim()) ?? []),
    rows: 0,
    bytes: 0,
  }
}

function toColumn(line: string): SharedColumn | undefined {
  const [, name, type] = /^(\w+) (\w+(?:\([^)]*\))?(?: unsigned)?)/.exec(line) ?? []
  if (name === undefined || type === undefined || /^(primary|unique|key|constraint)$/.test(name)) return undefined
  const nullable = !line.includes('not null')
  const generated = /generated always as \((.*)\) (stored|virtual)/.exec(line)?.[1] ?? null
  const byDefault = /default ('[^']*'|\S+)/.exec(line)?.[1] ?? null
  const identity = line.includes('auto_increment')
  return { name, type, nullable, default: byDefault, generated, identity, collation: null, comment: '' }
}

function toForeignKey(line: string): SharedForeignKey | undefined {
  const [, name, columns, table, referenced] =
    /^constraint (\w+) foreign key \(([^)]*)\) references (\w+) \(([^)]*)\)/.exec(line) ?? []
  if (name === undefined || columns === undefined || table === undefined || referenced === undefined) return undefined
  const action = (event: string) =>
    (new RegExp(`on ${event} (cascade|set null)`).exec(line)?.[1] ?? 'restrict') as ReferentialAction
  return {
    name,
    columns: columns.split(', '),
    references: { schema, name: table, columns: referenced.split(', ') },
    onDelete: action('delete'),
    onUpdate: action('update'),
  }
}

function toRoutine(body: string): SharedRoutine {
  const [, kind = '', name = ''] = /^create (\w+) (\w+)/.exec(body) ?? []
  return { schema, name, kind: kind as SharedRoutine['kind'], body }
}
