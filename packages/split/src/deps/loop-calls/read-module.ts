import { parse, type ParserPlugin } from '@babel/parser'
import {
  isArrowFunctionExpression,
  isClassMethod,
  isClassPrivateMethod,
  isClassPrivateProperty,
  isClassProperty,
  isFunctionDeclaration,
  isFunctionExpression,
  isIdentifier,
  isImportSpecifier,
  isObjectMethod,
  isObjectProperty,
  isStringLiteral,
  isVariableDeclarator,
  traverseFast,
  type Function as FunctionNode,
  type Node,
} from '@babel/types'

/** A file of JavaScript or TypeScript. */
export interface CodeModule {
  /** As evidence names it, with `/`. */
  readonly file: string
  readonly root: Node
  /** Functions and methods by the name that calls use. */
  readonly functions: ReadonlyMap<string, FunctionNode>
  /** Local name of what is imported -> module that it comes from, and its name there. */
  readonly imports: ReadonlyMap<string, { readonly from: string; readonly name: string }>
}

export function isScript(file: string): boolean {
  return /\.[cm]?[jt]sx?$/i.test(file) && !/\.d\.[cm]?ts$/i.test(file)
}

/** Null when the text is neither JavaScript nor TypeScript. */
export function readModule(file: string, text: string): CodeModule | null {
  const plugins: ParserPlugin[] = ['decorators']
  if (/\.[cm]?tsx?$/i.test(file)) plugins.push('typescript')
  if (/x$|\.[cm]?js$/i.test(file)) plugins.push('jsx')
  const root = parseProgram(text, plugins)
  if (root === null) return null
  const functions = new Map<string, FunctionNode>()
  const imports = new Map<string, { from: string; name: string }>()
  traverseFast(root, (node) => {
    const named = namedFunction(node)
    if (named) functions.set(named.name, named.node)
    if (node.type === 'ImportDeclaration') {
      for (const specifier of node.specifiers) {
        const name = isImportSpecifier(specifier) ? nameOf(specifier.imported) : 'default'
        imports.set(specifier.local.name, { from: node.source.value, name: name ?? 'default' })
      }
    }
    if (isVariableDeclarator(node)) for (const [local, required] of requires(node)) imports.set(local, required)
  })
  return { file, root, functions, imports }
}

function parseProgram(text: string, plugins: ParserPlugin[]): Node | null {
  try {
    return parse(text, { sourceType: 'unambiguous', allowReturnOutsideFunction: true, plugins }).program
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function namedFunction(node: Node): { name: string; node: FunctionNode } | undefined {
  if (isFunctionDeclaration(node)) return node.id ? { name: node.id.name, node } : undefined
  if (isMethod(node)) return withName(nameOf(node.key), node)
  if (isVariableDeclarator(node)) return withName(nameOf(node.id), node.init)
  if (isClassProperty(node) || isClassPrivateProperty(node) || isObjectProperty(node))
    return withName(nameOf(node.key), node.value)
  return undefined
}

function withName(name: string | undefined, node: Node | null | undefined) {
  const isCallable = isArrowFunctionExpression(node) || isFunctionExpression(node) || isMethod(node)
  return name !== undefined && isCallable ? { name, node } : undefined
}

function isMethod(node: Node | null | undefined) {
  return isClassMethod(node) || isClassPrivateMethod(node) || isObjectMethod(node)
}

/** `const { a, b: c } = require('m')` and `const m = require('m')`. */
function requires({
  id,
  init,
}: Extract<Node, { type: 'VariableDeclarator' }>): [string, { from: string; name: string }][] {
  if (init?.type !== 'CallExpression' || !isIdentifier(init.callee, { name: 'require' })) return []
  const [module] = init.arguments
  if (!isStringLiteral(module)) return []
  if (isIdentifier(id)) return [[id.name, { from: module.value, name: 'default' }]]
  if (id.type !== 'ObjectPattern') return []
  return id.properties.flatMap((property): [string, { from: string; name: string }][] => {
    if (!isObjectProperty(property) || !isIdentifier(property.value)) return []
    return [[property.value.name, { from: module.value, name: nameOf(property.key) ?? 'default' }]]
  })
}

/** The name that an identifier or a string literal is. */
export function nameOf(node: Node): string | undefined {
  if (isIdentifier(node)) return node.name
  if (isStringLiteral(node)) return node.value
  return node.type === 'PrivateName' ? node.id.name : undefined
}
