// A receiver of webhooks behind TLS.  Prints its port, then a line for each
// message: its path.
//
//     node receiver.mjs KEY CERTIFICATE

import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';

const [key, cert] = process.argv.slice(2).map((name) => readFileSync(name));

const server = createServer({ key, cert }, (request, response) => {
    request.resume();
    request.on('end', () => {
        console.log(request.url);
        response.writeHead(204).end();
    });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
