// node -r bind.cjs PROGRAM: whatever the program listens on is on 127.0.0.1.
// For servers that have no option for it.

'use strict';

const { Server } = require('node:net');
const listen = Server.prototype.listen;

Server.prototype.listen = function (...args) {
    const [first, second] = args;

    if (first !== null && typeof first === 'object' && 'port' in first) {
        args[0] = Object.assign({}, first, { host: '127.0.0.1' });

    } else if (Number.isInteger(Number(first)) && first !== '') {
        // listen(port [, host] [, backlog] [, callback])
        args.splice(1, typeof second === 'string' ? 1 : 0, '127.0.0.1');
    }

    return listen.apply(this, args);
};
