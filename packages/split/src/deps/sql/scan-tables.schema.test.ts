import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { parseSql, readModules, statementReferences, type ParsedStatement } from '@imhotep/engine'
import { scanTables } from './scan-tables.ts'

test('scanTables: finds in our own schema what the grammar of PostgreSQL finds, function bodies included', async () => {
  const modules = await readModules(fileURLToPath(new URL('../../../../../schema', import.meta.url)))
  const differences: string[] = []
  let compared = 0
  for (const { path, text } of modules.flatMap(({ files }) => files)) {
    const { statements } = await parseSql(text, path)
    for (const statement of statements) {
      const scanned = textToScan(statement)
      if (scanned === undefined) continue
      compared++
      const parsed = tablesOf(statement)
      const found = new Set(scanTables(scanned, 'postgres').tables.map(({ schema, name }) => `${schema}.${name}`))
      const missed = [...parsed].filter((table) => !found.has(table))
      const invented = [...found].filter((table) => !parsed.has(table) && !table.startsWith('null.'))
      if (missed.length + invented.length > 0)
        differences.push(`${path}:${statement.line} missed ${missed.join()}, invented ${invented.join()}`)
    }
  }

  assert.deepEqual(differences, [])
  assert.ok(compared > 800, `${compared} statements`)
})

/** What a catalog holds of a function is its body; other statements are taken whole. */
function textToScan({ node, text, kind }: ParsedStatement): string | undefined {
  if (/^(Select|Insert|Update|Delete|Merge)Stmt$/.test(kind)) return text
  if (!('CreateFunctionStmt' in node)) return undefined
  for (const option of node.CreateFunctionStmt.options ?? []) {
    const body = 'DefElem' in option && option.DefElem.defname === 'as' ? option.DefElem.arg : undefined
    const [first] = body && 'List' in body ? (body.List.items ?? []) : []
    if (first && 'String' in first) return first.String.sval ?? ''
  }
  return undefined
}

function tablesOf(statement: ParsedStatement): Set<string> {
  const tables = statementReferences(statement).filter(({ kind }) => kind === 'table')
  return new Set(tables.map(({ schema, name }) => `${schema}.${name}`))
}
