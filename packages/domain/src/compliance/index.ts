// Wrappers of the operations of schema/compliance.
export {}
