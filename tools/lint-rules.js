/** Lint rules of this repository. */

/** `sync`: the protocol and the log are synchronous. */
const refuseAsync = (context) => (node) => {
  if (node.async || node.type === 'AwaitExpression' || node.await) context.report({ node, message: 'No async here.' });
};

/** The calls that make a turn. Only `RawNode` makes one, so that its rules are written once. */
const TURN_CALLS = new Set(['advance', 'step', 'tick', 'takeOutput', 'persisted']);

/** The last name of an expression: `raft` in `raft`, `this.#raft` and `raw.raft`. */
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
    /** Another copy of the package has classes of its own, so `instanceof` fails for its errors. */
    'branded-errors': {
      create(context) {
        return {
          BinaryExpression(node) {
            if (node.operator !== 'instanceof' || !/^(Kontiki|NotLeader)Error$/.test(node.right.name ?? '')) return;
            context.report({ node, message: 'Use isKontikiError: it recognizes errors of another copy of core, too.' });
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
            context.report({ node, message: 'Only RawNode takes turns: call its turn() instead.' });
          },
        };
      },
    },
  },
};
