import { lineColumns } from '../parse/offsets.ts'
import { parseSql, type ParsedFile, type ParsedStatement } from '../parse/parse-sql.ts'
import { statementReferences, type Reference } from '../parse/references.ts'
import type { Finding } from '../verify/finding.ts'
import type { Module } from './module.ts'

const EVERYBODYS = new Set(['pg_catalog', 'public', 'information_schema', 'pg_temp', 'pg_toast'])

/**
 * Finds every qualified name that leads out of a module to one it does not require. Foreign keys may also lead to the
 * modules named in `cycles`, and so may calls when both modules belong to one service: they are never split apart. Looks
 * into function bodies; seeds are not checked.
 */
export async function checkModuleBoundaries(modules: readonly Module[]): Promise<Finding[]> {
  const moduleOf = new Map(modules.map((module) => [module.schema, module]))
  const findings: Finding[] = []
  for (const module of modules) {
    for (const { path, text } of [...module.files, ...(module.separate?.files ?? [])]) {
      const file = await parseSql(text, path)
      for (const statement of file.statements) {
        for (const reference of statementReferences(statement)) {
          if (isAllowed(reference, module, moduleOf)) continue
          findings.push(boundaryFinding(reference, module, moduleOf.get(reference.schema)?.name, file, statement))
        }
      }
    }
  }
  return findings
}

function isAllowed(reference: Reference, module: Module, moduleOf: Map<string, Module>): boolean {
  if (reference.schema === module.schema || EVERYBODYS.has(reference.schema)) return true
  // A cycle may name a module that is not built yet; its name is then taken for its schema's.
  const target = moduleOf.get(reference.schema)
  const name = target?.name ?? reference.schema
  if (module.requires.includes(name)) return true
  return module.cycles.includes(name) && (reference.kind === 'foreign key' || target?.service === module.service)
}

function boundaryFinding(
  reference: Reference,
  module: Module,
  target: string | undefined,
  file: ParsedFile,
  statement: ParsedStatement,
): Finding {
  const object = reference.name ? `${reference.schema}.${reference.name}` : reference.schema
  // Inside a body the tree has no place in the file: the first mention in the statement is where a reader looks.
  const mention = Math.max(0, statement.text.indexOf(object))
  const { line, column } = lineColumns(file.text)(statement.start + mention)
  const owner = target ? `module ${target}` : `no module (schema ${reference.schema})`
  return {
    rule: 'module-boundary',
    family: 'structure',
    severity: 'error',
    file: file.file,
    line,
    column,
    object,
    message: `module ${module.name} names the ${reference.kind === 'foreign key' ? 'table' : reference.kind} ${object}, which belongs to ${owner}`,
    related: [],
    help: target
      ? `add "${target}" to "requires" in ${module.name}/module.json, or go through an operation of a required module`
      : `write a module with the schema "${reference.schema}", or correct the name`,
    fix: null,
  }
}
