import { posix } from 'node:path'
import {
  isCallExpression,
  isIdentifier,
  isMemberExpression,
  isOptionalCallExpression,
  isOptionalMemberExpression,
  isThisExpression,
  traverseFast,
  type Node,
} from '@babel/types'
import { nameOf, type CodeModule } from './read-module.ts'

/** What a call asks: a service of the owner map, or null when the code does not say which. */
export interface Remote {
  readonly service: string | null
}

const httpPackages = new Set([
  'axios',
  'got',
  'ky',
  'undici',
  'node-fetch',
  'cross-fetch',
  'superagent',
  'needle',
  'http',
  'https',
  'node:http',
  'node:https',
])
const httpObject = /^(http|https|rest|axios|api)(client|service)?$/i
const clientName = /^(.+?)_?(client|api|gateway)$/i
const clientGroup = /^(clients|services|apis|gateways)$/i

/**
 * Which calls leave the process for another service: those of HTTP libraries, those of an object that is named as the client
 * of a service (`labClient`, `clients.lab`), and those of functions that make such calls, also when they are imported.
 */
export class RemoteCalls {
  readonly #services: ReadonlyMap<string, string>
  readonly #modules: ReadonlyMap<string, CodeModule>
  /** `file#function` of those that make calls. */
  readonly #functions = new Map<string, Remote>()

  constructor(modules: readonly CodeModule[], services: readonly string[]) {
    this.#services = new Map(services.map((service) => [stem(service), service]))
    this.#modules = new Map(modules.map((module) => [module.file, module]))
    let known = -1
    while (known < this.#functions.size) {
      known = this.#functions.size
      for (const module of modules) this.#noteFunctions(module)
    }
  }

  /** What the call of `callee` asks; undefined when it stays in the process. */
  of(callee: Node, module: CodeModule): Remote | undefined {
    if (isIdentifier(callee)) {
      if (callee.name === 'fetch') return { service: null }
      return this.#named(callee.name, module)
    }
    if (!isMemberExpression(callee) && !isOptionalMemberExpression(callee)) return undefined
    const { object } = callee
    if (isThisExpression(object)) return this.#functions.get(`${module.file}#${nameOf(callee.property) ?? ''}`)
    const name = lastName(object)
    if (name === undefined) return undefined
    if (isIdentifier(object) && httpPackages.has(module.imports.get(object.name)?.from ?? '')) return { service: null }
    const service = this.#services.get(stem(clientName.exec(name)?.[1] ?? ''))
    if (service !== undefined) return { service }
    const group = isMemberExpression(object) ? lastName(object.object) : undefined
    if (group !== undefined && clientGroup.test(group)) return { service: this.#services.get(stem(name)) ?? null }
    return httpObject.test(name) ? { service: null } : undefined
  }

  #named(name: string, module: CodeModule): Remote | undefined {
    const own = this.#functions.get(`${module.file}#${name}`)
    if (own) return own
    const imported = module.imports.get(name)
    if (!imported) return undefined
    if (httpPackages.has(imported.from)) return { service: null }
    const file = this.#resolve(module, imported.from)
    return file === undefined ? undefined : this.#functions.get(`${file}#${imported.name}`)
  }

  #resolve(module: CodeModule, from: string): string | undefined {
    if (!from.startsWith('.')) return undefined
    const path = posix.join(posix.dirname(module.file), from)
    const bare = path.replace(/\.[cm]?[jt]sx?$/i, '')
    const candidates = ['ts', 'js', 'mts', 'mjs', 'cts', 'cjs', 'tsx', 'jsx'].flatMap((end) => [
      `${bare}.${end}`,
      `${path}/index.${end}`,
    ])
    return candidates.find((file) => this.#modules.has(file))
  }

  #noteFunctions(module: CodeModule): void {
    for (const [name, node] of module.functions) {
      const id = `${module.file}#${name}`
      if (this.#functions.has(id)) continue
      traverseFast(node.body, (inner) => {
        if (!isCallExpression(inner) && !isOptionalCallExpression(inner)) return
        const remote = this.of(inner.callee, module)
        if (remote && !this.#functions.has(id)) this.#functions.set(id, remote)
      })
    }
  }
}

/** `a.b.c` -> c, `a` -> a, `a.b()` -> undefined. */
function lastName(node: Node): string | undefined {
  if (isMemberExpression(node) || isOptionalMemberExpression(node)) return nameOf(node.property)
  return nameOf(node)
}

/** Spellings of a service that mean the same: `blood-bank`, `bloodBank`, `blood_banks`. */
function stem(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .replace(/s$/, '')
}
