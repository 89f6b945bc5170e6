/** Lint rules of this repository. */

/** Reports asynchronous code in the protocol and the log, which must be synchronous. */
const refuseAsync = (context) => (node) => {
  if (node.async || node.type === 'AwaitExpression' || node.await)
    context.report({ node, message: 'Asynchronous code is not allowed here.' });
};

/**
 * Methods of `Raft` that make up a turn. Only `RawNode` may take turns, so that their rules exist
 * only once.
 */
const TURN_CALLS = new Set(['advance', 'step', 'tick', 'takeOutput', 'persisted']);

/**
 * Returns the last name in an expression, such as `raft` for `raft`, `this.#raft` and `raw.raft`.
 */
const lastName = ({ type, name, property }) =>
  type === 'MemberExpression' ? (property.name ?? '') : type === 'Identifier' ? name : '';

export default {
  meta: { name: 'kontiki' },
  rules: {
    sync: {
      create(context) {
        const check = refuseAsync(context);
        return {
          FunctionDeclaration: check,
          FunctionExpression: check,
          ArrowFunctionExpression: check,
          AwaitExpression: check,
          ForOfStatement: check,
        };
      },
    },
    /**
     * Reports `instanceof` for Kontiki's errors, which fails for errors from another copy of the
     * package.
     */
    'branded-errors': {
      create(context) {
        return {
          BinaryExpression(node) {
            if (node.operator !== 'instanceof' || !/^(Kontiki|NotLeader)Error$/.test(node.right.name ?? '')) return;
            context.report({
              node,
              message: 'Use isKontikiError, which also recognizes errors from another copy of core.',
            });
          },
        };
      },
    },
    'one-turn': {
      create(context) {
        return {
          CallExpression(node) {
            const { callee } = node;
            if (callee.type !== 'MemberExpression' || !TURN_CALLS.has(callee.property.name)) return;
            if (!/raft$/i.test(lastName(callee.object))) return;
            context.report({ node, message: 'Only RawNode may take turns. Call its turn() instead.' });
          },
        };
      },
    },
  },
};
