// The peer of jobs_vs_bullmq, as its readme shows it.
//
//     bullmq.mjs add SOCKET COUNT         puts jobs into the queue
//     bullmq.mjs work SOCKET CONCURRENCY  works until SIGTERM

import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NODE_DIR}/`);
const { Queue, Worker } = require('bullmq');
const IORedis = require('ioredis');

const [action, path, number] = process.argv.slice(2);

// what a job of ours carries too
const data = {
    v: 1, kind: 'chat', model: 'm',
    messages: [{ role: 'user', parts: [{ type: 'text', text: 'hello' }] }],
};


// the same size of answer as the builtin model gives

async function work(job) {
    const text = 'This is the builtin model of Weir. You wrote: '
        + job.data.messages[0].parts[0].text;

    return { v: 1, choices: [{ index: 0, role: 'assistant', stop: 'end',
                               parts: [{ type: 'text', text }] }] };
}


const connection = new IORedis({ path, maxRetriesPerRequest: null });

if (action === 'add') {
    const queue = new Queue('q', { connection });
    const count = Number(number);

    for (let n = 0; n < count; n += 1000) {
        const batch = Array.from({ length: Math.min(1000, count - n) },
                                 () => ({ name: 'j', data }));
        await queue.addBulk(batch);
    }

    await queue.close();
    await connection.quit();

} else {
    const worker = new Worker('q', work, {
        connection, concurrency: Number(number),
    });

    worker.on('error', (e) => console.error(e));
    process.on('SIGTERM', async () => {
        await worker.close();
        await connection.quit();
    });
}
