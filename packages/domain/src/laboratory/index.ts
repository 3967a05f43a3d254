// Wrappers of the operations of schema/laboratory.
export {}
