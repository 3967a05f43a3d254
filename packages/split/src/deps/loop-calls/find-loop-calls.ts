import {
  getBindingIdentifiers,
  isCallExpression,
  isFunction,
  isIdentifier,
  isMemberExpression,
  isNode,
  isObjectProperty,
  isOptionalCallExpression,
  isOptionalMemberExpression,
  isVariableDeclarator,
  traverseFast,
  VISITOR_KEYS,
  type CallExpression,
  type Node,
  type OptionalCallExpression,
} from '@babel/types'
import { nameOf, type CodeModule } from './read-module.ts'
import { RemoteCalls } from './remote-calls.ts'

/** A call of another service that is made once for each element of a loop. */
export interface LoopCall {
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** As the code writes it, without what is passed. */
  readonly callee: string
  /** Null when the code does not say which. */
  readonly service: string | null
}

interface Loop {
  readonly body: Node
  /** What is bound anew for each element. */
  readonly elements: readonly Node[]
}

type Call = CallExpression | OptionalCallExpression

const callsForEach = new Set(['map', 'forEach', 'flatMap', 'filter', 'some', 'every', 'find', 'findIndex', 'reduce'])
const takesNext = new Set(['shift', 'pop', 'next'])
const holdsMany = /batch|chunk|page|slice/i

/**
 * Calls of other services in loops that pass what differs from element to element: N elements, N calls, where one call for
 * all would do. A loop over batches or pages is none, nor is one that repeats the same call until it succeeds.
 */
export function findLoopCalls(modules: readonly CodeModule[], services: readonly string[]): LoopCall[] {
  const remote = new RemoteCalls(modules, services)
  return modules.flatMap((module) => {
    const found = new Map<number, LoopCall>()
    const report = (callee: Node, service: string | null) => {
      const { start = 0, loc } = callee
      found.set(start ?? 0, { file: module.file, line: loc?.start.line ?? 1, callee: calleeText(callee), service })
    }
    traverseFast(module.root, (node) => {
      const callback = callbackOf(node)
      const passed = callback && remote.of(callback, module)
      if (passed) report(callback, passed.service)
      const loop = loopOf(node, callback)
      if (!loop) return
      const names = namesOfElement(loop)
      traverseFast(loop.body, (inner) => {
        if (!isCall(inner) || !inner.arguments.some((argument) => mentions(argument, names))) return
        const called = remote.of(inner.callee, module)
        if (called) report(inner.callee, called.service)
      })
    })
    return [...found.values()].toSorted((a, b) => a.line - b.line)
  })
}

/** What `ids.map(...)` and its like call for each element. */
function callbackOf(node: Node): Node | undefined {
  if (!isCall(node) || !isMember(node.callee)) return undefined
  return callsForEach.has(nameOf(node.callee.property) ?? '') ? node.arguments[0] : undefined
}

function loopOf(node: Node, callback: Node | undefined): Loop | undefined {
  if (callback && isFunction(callback)) return { body: callback.body, elements: callback.params }
  if (node.type === 'ForOfStatement' || node.type === 'ForInStatement')
    return { body: node.body, elements: [node.left] }
  if (node.type === 'ForStatement') return { body: node.body, elements: node.init ? [node.init] : [] }
  if (node.type === 'WhileStatement' || node.type === 'DoWhileStatement') return { body: node.body, elements: [] }
  return undefined
}

/** Names that mean the element of a loop, or what the body makes of it. */
function namesOfElement({ body, elements }: Loop): ReadonlySet<string> {
  const names = new Set(
    elements.flatMap((node) => Object.keys(getBindingIdentifiers(node))).filter((name) => !holdsMany.test(name)),
  )
  let known = -1
  while (known < names.size) {
    known = names.size
    traverseFast(body, (node) => {
      if (!isVariableDeclarator(node) || !node.init) return
      if (!isNextElement(node.init) && !mentions(node.init, names)) return
      for (const name of Object.keys(getBindingIdentifiers(node.id))) if (!holdsMany.test(name)) names.add(name)
    })
  }
  return names
}

/** `queue.shift()` */
function isNextElement(node: Node): boolean {
  return isCall(node) && isMember(node.callee) && takesNext.has(nameOf(node.callee.property) ?? '')
}

/** Whether a variable of one of these names stands in it; a property of the same name is another thing. */
function mentions(node: Node, names: ReadonlySet<string>): boolean {
  if (isIdentifier(node)) return names.has(node.name)
  if (isMember(node) && !node.computed) return mentions(node.object, names)
  if (isObjectProperty(node) && !node.computed) return mentions(node.value, names)
  return (VISITOR_KEYS[node.type] ?? []).some((key) => {
    const child = (node as unknown as Record<string, unknown>)[key]
    return (Array.isArray(child) ? child : [child]).some((part: unknown) => isAnyNode(part) && mentions(part, names))
  })
}

function isAnyNode(value: unknown): value is Node {
  return isNode(value)
}

function isCall(node: Node): node is Call {
  return isCallExpression(node) || isOptionalCallExpression(node)
}

function isMember(node: Node) {
  return isMemberExpression(node) || isOptionalMemberExpression(node)
}

function calleeText(node: Node): string {
  if (isMember(node)) return `${calleeText(node.object)}.${nameOf(node.property) ?? '[]'}`
  if (node.type === 'ThisExpression') return 'this'
  return nameOf(node) ?? '()'
}
