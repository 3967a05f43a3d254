import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Catalog } from '@imhotep/engine'
import { commands } from '../../../packages/cli/src/commands/index.ts'

/** The Markdown link to an object of `Requirement.objects`, for a page in docs/reference; null when there is no such object. */
export function findObject(root: string, catalog: Catalog, name: string): string | null {
  if (name.startsWith('imhotep ')) return findCommand(name)
  if (name.startsWith('npm run ')) return findScript(root, name)
  if (name.includes('/')) return existsSync(join(root, name)) ? link(name, `../../${name}`) : null
  if (name.endsWith('.*')) return findSchema(catalog, name.slice(0, -2))
  if (name.endsWith('()')) return findFunction(catalog, name.slice(0, -2))
  return findRelation(catalog, name)
}

function findCommand(name: string): string | null {
  const [, command = ''] = name.split(' ')
  return commands.some((known) => known.name === command) ? link(name, `commands.md#imhotep-${command}`) : null
}

function findScript(root: string, name: string): string | null {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  return scripts[name.slice('npm run '.length)] === undefined ? null : `\`${name}\``
}

function findSchema(catalog: Catalog, schema: string): string | null {
  const hasTables = [...catalog.tables.values()].some((table) => table.schema === schema)
  return hasTables ? link(`schema ${schema}`, `schema/${schema}.md`) : null
}

function findFunction(catalog: Catalog, name: string): string | null {
  const found = [...catalog.functions.values()].find((routine) => `${routine.schema}.${routine.name}` === name)
  return found ? link(`${name}()`, `schema/${found.schema}.md#functions`) : null
}

function findRelation(catalog: Catalog, name: string): string | null {
  const [schema = '', relation = '', column] = name.split('.')
  const key = `${schema}.${relation}`
  const table = catalog.tables.get(key)
  if (column !== undefined && !table?.columns.has(column)) return null
  if (table) return link(name, `schema/${schema}.md#${relation}`)
  if (catalog.views.has(key)) return link(name, `schema/${schema}.md#views`)
  return catalog.types.has(key) ? link(name, `schema/${schema}.md#enumerated-types`) : null
}

function link(text: string, target: string): string {
  return `[\`${text}\`](${target})`
}
