// Wrappers of the operations of schema/interop.
export {}
