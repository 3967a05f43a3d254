import { foldStatement } from '../catalog/files.ts'
import type { Catalog } from '../catalog/model.ts'
import { parseSql, type ParsedStatement } from '../parse/parse-sql.ts'
import { printCatalog } from '../print/print-catalog.ts'
import type { PrintedObject } from '../print/printed-object.ts'
import { defaultPolicy, type VerifyPolicy } from '../verify/policy.ts'
import type { Addition, AdditionOptions, Advice } from './additions/addition.ts'
import { draftAdditions } from './additions/draft-additions.ts'
import type { Dump } from './dump.ts'
import { foldDump, type FoldDumpOptions, type FoldedDump, type KeptStatement } from './fold-dump.ts'
import { keepSchemas, keepStatements, type LeftSchema } from './keep-schemas.ts'
import { fileName, layOut, type BaselineFile } from './lay-out.ts'

export interface MakeBaselineOptions extends FoldDumpOptions, AdditionOptions {
  readonly policy?: VerifyPolicy
  /** Only these schemas; default all. */
  readonly schemas?: readonly string[]
  /** One file a concern instead of one. */
  readonly split?: boolean
  /** The additions as a migration of their own behind the plain baseline: for databases that are there already. */
  readonly increment?: boolean
}

export interface Baseline {
  readonly dump: Dump
  /** What the export defines. */
  readonly plain: Catalog
  /** The same with the additions. */
  readonly catalog: Catalog
  readonly files: readonly BaselineFile[]
  readonly additions: readonly Addition[]
  readonly advice: readonly Advice[]
  /** Statements that stand in the files as the export has them. */
  readonly kept: readonly KeptStatement[]
  /** What `schemas` cut off beyond whole schemas. */
  readonly cut: readonly LeftSchema[]
  /** The export's statements, without rows and noise: what the proof runs. */
  readonly source: readonly ParsedStatement[]
}

/** Makes the first migration of an export: canonical, repeatable SQL, with what it lacks added. */
export async function makeBaseline(dump: Dump, options: MakeBaselineOptions = {}): Promise<Baseline> {
  const { fold, parsed, kept, roles } = await foldDump(dump, options)
  const { catalog: plain, cut } = keepSchemas(fold.catalog, options.schemas)
  const { kept: wanted, cut: cutStatements } = keepStatements(kept, fold.catalog, plain)
  const { additions, advice } = draftAdditions(plain, options.policy ?? defaultPolicy, options)
  for (const role of roles)
    advice.push({
      rule: 'application-roles',
      object: `role ${role}`,
      message: 'is named by the export, which does not make it: it is made without login where it is missing',
    })
  const catalog =
    additions.length > 0 ? await withAdditions({ ...fold, catalog: structuredClone(plain) }, additions) : plain
  const isIncrement = options.increment === true && additions.length > 0
  const objects = await printCatalog(isIncrement ? plain : catalog, { repeatable: true })
  const standing = isIncrement || catalog === plain ? wanted : await withoutChanged(wanted, plain, objects)
  const laid = layOut(objects, standing, { dump, split: options.split ?? false })
  const files = isIncrement ? [...laid, incrementFile(laid.length + 1, additions)] : laid
  return {
    dump,
    plain,
    catalog,
    files,
    additions,
    advice,
    kept: standing,
    cut: [...cut, ...cutStatements],
    source: parsed.statements,
  }
}

/** What an addition makes anew is not what the export wrote any more. */
async function withoutChanged(
  kept: readonly KeptStatement[],
  plain: Catalog,
  objects: readonly PrintedObject[],
): Promise<KeptStatement[]> {
  if (kept.every(({ instead }) => instead === null)) return [...kept]
  const texts = new Set(objects.map(({ object, sql }) => `${object}\n${sql}`))
  const same = (await printCatalog(plain, { repeatable: true })).filter(({ object, sql }) =>
    texts.has(`${object}\n${sql}`),
  )
  const standing = new Set(same.map(({ object }) => object))
  return kept.filter(({ instead }) => instead === null || standing.has(instead))
}

function incrementFile(version: number, additions: readonly Addition[]): BaselineFile {
  const head =
    '-- What the baseline adds to the export, for a database that is there already. Written by imhotep baseline.'
  let rule = ''
  const parts = additions.map((addition) => {
    const title = addition.rule === rule ? '' : `\n-- ${addition.rule}\n`
    rule = addition.rule
    return `${title}${addition.sql}`
  })
  return { name: fileName(version, 'additions'), text: `${[head, ...parts].join('\n')}\n`, repeatable: false }
}

/** The additions are statements: what they make of a catalog is what PostgreSQL would make of a database. */
async function withAdditions(fold: FoldedDump['fold'], additions: readonly Addition[]): Promise<Catalog> {
  const text = additions.map(({ sql }) => sql).join('\n')
  const parsed = await parseSql(text, 'additions')
  if (parsed.errors[0]) throw parsed.errors[0]
  for (const statement of parsed.statements) foldStatement(fold, statement, parsed)
  return fold.catalog
}
