import { parseSql, type ParsedFile, type ParsedStatement } from '../parse/parse-sql.ts'
import { loadParser } from '../parse/parser.ts'
import { applyStatement } from './files/apply-statement.ts'
import { call } from './files/run-calls.ts'
import { runBody, runStatements } from './files/run-code.ts'
import { DEFAULT_SCHEMA, type Fold, type FoldOptions } from './files/fold.ts'
import { rolledBack } from './files/rolled-back.ts'
import { endTransaction, startPath } from './files/settings.ts'
import { emptyCatalog, type Catalog } from './model.ts'

export type { Fold, FoldOptions, KnownEffect } from './files/fold.ts'

/**
 * The schema that SQL files make, in the order given, without running them. What cannot be told from the text (conditions
 * over rows, computed SQL, calls without a known effect, files that do not parse) is listed in the catalog's `unknown`.
 */
export async function foldFiles(
  files: readonly { readonly path: string; readonly text: string }[],
  options: FoldOptions = {},
): Promise<Catalog> {
  const parsed: ParsedFile[] = []
  for (const { path, text } of files) parsed.push(await parseSql(text, path))
  return foldParsed(parsed, options)
}

/** The same for files that are parsed already. */
export async function foldParsed(files: readonly ParsedFile[], options: FoldOptions = {}): Promise<Catalog> {
  await loadParser()
  const fold = startFold(options)
  for (const file of files) {
    foldErrors(fold, file)
    for (const statement of file.statements) foldStatement(fold, statement, file)
  }
  return fold.catalog
}

/** A fold of nothing yet: `foldStatement` moves its catalog on. */
export function startFold(options: FoldOptions = {}): Fold {
  return {
    catalog: startCatalog(),
    options,
    interpreter: { apply: applyStatement, call, body: runBody, statements: runStatements },
    statement: { kind: '', node: { String: {} }, text: '', start: 0, end: 0, line: 1, column: 1 },
    position: { file: '', line: 1, column: 1 },
    searchPath: options.searchPath ?? [DEFAULT_SCHEMA],
    indexParents: new Map(),
    localColumns: new Set(),
    transaction: null,
    depth: 0,
    file: null,
  }
}

/** What every new database of PostgreSQL 15 and later holds. */
function startCatalog(): Catalog {
  const catalog = emptyCatalog()
  catalog.schemas.set(DEFAULT_SCHEMA, {
    name: DEFAULT_SCHEMA,
    owner: 'pg_database_owner',
    comment: 'standard public schema',
    grants: [{ grantee: 'public', privilege: 'usage', column: null, grantable: false }],
  })
  catalog.extensions.set('plpgsql', { name: 'plpgsql', schema: 'pg_catalog', version: null })
  return catalog
}

/** Says of the parts of a file that do not parse that they may have done anything. */
export function foldErrors(fold: Fold, { file, text, errors }: ParsedFile): void {
  for (const { line, column, reason } of errors) {
    fold.catalog.unknown.push({ position: { file, line, column }, reason: `does not parse: ${reason}`, text })
  }
}

/**
 * Folds one statement into `fold.catalog`, which is changed in place: look at it before and after. The statements of a
 * file come in order and each with its file, which decides what a later ROLLBACK takes back; a search path that a file
 * sets ends with it. The grammar must be loaded, which any `parseSql` does.
 */
export function foldStatement(fold: Fold, statement: ParsedStatement, file: ParsedFile): void {
  startFile(fold, file)
  if (rolledBack(file).has(statement)) return
  fold.statement = statement
  fold.position = { file: file.file, line: statement.line, column: statement.column }
  applyStatement(fold, statement)
}

/** Begins a file, unless it is under way: with a search path of its own. */
export function startFile(fold: Fold, file: ParsedFile): void {
  if (fold.file === file) return
  endTransaction(fold)
  fold.file = file
  fold.searchPath = startPath(fold)
}
