# Jobs: submitted, polled, waited for, cancelled; each owner's own.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', worker => 'attempts = 1',
                             server => 'location /llm/ { weir_api; }');

$stack->start;

my $bob = 'Authorization: Bearer ' . $stack->{other_key};


sub body {
    my ($text, %more) = @_;

    return encode_json({ %more, request => { model => 'mock-1', messages => [
        { role => 'user', content => $text }] } });
}


sub submit {
    my ($text, $headers, %more) = @_;

    return $stack->ask('/v1/jobs', body => body($text, %more),
                       headers => $headers // []);
}


sub job { decode_json($_[0]->body) }

sub finished {
    my ($id) = @_;

    my $c;

    $stack->wait_for(10, sub {
        $c = $stack->ask("/v1/jobs/$id", headers => ['Prefer: wait=5']);
        return job($c)->{status} !~ /queued|in_progress/;
    }, "end of $id");

    return $c;
}


# submit, poll, done

my $c = submit('Hi', undef, metadata => { ticket => 7, text => "\x{e4}" });
is($c->status, 202, 'submitted');

my $job = job($c);
my $self = "/v1/jobs/$job->{id}";

is_deeply([sort keys %$job], [sort qw(id object status created_at started_at
    run_at deadline finished_at attempts model cached usage cost_usd metadata
    result error last_error links)], 'members of a job');
like($job->{id}, qr/^job_\w{24}$/, 'id');
is($job->{object}, 'job', 'object');
is($job->{status}, 'queued', 'status');
is($job->{model}, 'mock-1', 'model');
is($job->{links}{self}, $self, 'link');
is_deeply($job->{metadata}, { ticket => 7, text => "\x{e4}" }, 'metadata');
is($job->{$_}, undef, "$_: not yet")
    for qw(started_at finished_at result error);
is($c->header('Location'), $self, 'Location');
is($c->header('Retry-After'), 1, 'Retry-After');
is($c->header('X-Weir-Job'), $job->{id}, 'X-Weir-Job');
is($c->header('Cache-Control'), 'no-store', 'not cached');

$c = finished($job->{id});
$job = job($c);
is($c->status, 200, 'polled');
is($job->{status}, 'completed', 'completed');
is($job->{attempts}, 1, 'at the first try');
is($job->{result}{choices}[0]{message}{content}, 'Echo: Hi', 'the result');
is_deeply($job->{usage}, { input_tokens => 1, output_tokens => 2 }, 'usage');
is_deeply($job->{metadata}, { ticket => 7, text => "\x{e4}" }, 'metadata');
is($job->{error}, undef, 'no error');
cmp_ok($job->{$_}, '>=', $job->{created_at}, $_) for qw(started_at finished_at);


# a validator of what will not change

my $etag = $c->header('ETag');
like($etag, qr/^"[0-9a-f]{32}"$/, 'ETag');
is($c->header('Cache-Control'), 'private, no-cache', 'to be asked again');

for (["If-None-Match: $etag", 304], ['If-None-Match: *', 304],
     ["If-None-Match: \"x\", $etag", 304], ["If-None-Match: W/$etag", 304],
     ['If-None-Match: "x"', 200])
{
    my ($header, $status) = @$_;

    $c = $stack->ask($self, headers => [$header]);
    is($c->status, $status, "RC-17: $header: $status");
    is($c->header('ETag'), $etag, 'RC-17: ETag');
    is($c->header('Cache-Control'), 'private, no-cache',
       'RC-17: Cache-Control');
    is($c->body, '', 'RC-17: no body') if $status == 304;
}

$c = $stack->ask($self, method => 'HEAD');
is($c->status, 200, 'HEAD');
is($c->header('ETag'), $etag, 'ETag');
is($c->body, '', 'no body');

$c = $stack->ask("/llm$self");
is(job($c)->{links}{self}, "/llm$self", 'the link is below the location');


# Prefer: wait

$c = submit('[[mock delay=300]] Hi', ['Prefer: wait=10']);
is($c->status, 200, 'wait=10: 200 when it is done');
is(job($c)->{status}, 'completed', 'completed');
is($c->header('Preference-Applied'), 'wait=10', 'applied');
cmp_ok($c->elapsed, '>', 0.25, 'not before');
cmp_ok($c->elapsed, '<', 5, 'and not long after');


# what a POST is answered with has the name and the validator of what a GET
# shows; but conditions are not for it

my $done = $c;
$self = '/v1/jobs/' . job($done)->{id};
is($done->header('Content-Location'), $self, 'RC-17: Content-Location');
is($done->header('Cache-Control'), 'no-store', 'not cached');

$c = $stack->ask($self);
is($c->header('ETag'), $done->header('ETag'), 'RC-17: the ETag of a GET');
is($c->body, $done->body, 'RC-17: of the same bytes');
is($stack->ask($self, headers => ['If-None-Match: '
                                  . $done->header('ETag')])->status, 304,
   'RC-17: which is good for a GET');

for my $header ('If-None-Match: *', 'If-Match: "x"') {
    $c = submit('Hi', ['Prefer: wait=10', $header]);
    is($c->status, 200, "RC-17: $header of a POST is not looked at");
}

$c = submit('Hi', ['If-None-Match: *']);
is($c->status, 202, 'RC-17: nor here');
is($c->header('Content-Location'), '/v1/jobs/' . job($c)->{id},
   'RC-17: Content-Location');
is($c->header('ETag'), undef, 'RC-17: no ETag of what is under way');

$c = submit('[[mock delay=2500]] Hi', ['Prefer: wait=1']);
is($c->status, 202, 'wait=1: 202 when the time is up');
cmp_ok($c->elapsed, '>', 0.9, 'at its end');
cmp_ok($c->elapsed, '<', 2.3, 'at its end');
my $slow = job($c)->{id};

$c = $stack->ask("/v1/jobs/$slow");
is(job($c)->{status}, 'in_progress', 'polled: in progress');
is($c->header('ETag'), undef, 'no ETag yet');
is($c->header('Cache-Control'), 'no-store', 'not cached');

my @polls = map { $stack->request("/v1/jobs/$slow",
                                  headers => ['Prefer: wait=10']) } 1 .. 5;
ok(Weir::Client::wait_all(5, @polls), 'five long polls of one job');
is(join(' ', map { job($_)->{status} } @polls), join(' ', ('completed') x 5),
   'all are told');


# another owner

for my $method (qw(GET HEAD DELETE)) {
    my $c = $stack->ask($self, method => $method, no_key => 1,
                        headers => [$bob]);
    is($c->status, 404, "$method by another owner: 404");
}

my $there = $stack->ask($self, no_key => 1, headers => [$bob])->body;
my $nowhere = $stack->ask('/v1/jobs/job_00' . 'a' x 22, no_key => 1,
                          headers => [$bob])->body;
s/"request_id":"\w+"// for $there, $nowhere;
is($there, $nowhere, 'the same as for a job that never was');

# who waits for another's job is not told either, at once or when it ends

my $running = job(submit('[[mock delay=400]] secret'))->{id};
my $spy = $stack->ask("/v1/jobs/$running", no_key => 1,
                      headers => [$bob, 'Prefer: wait=5']);
is($spy->status, 404, 'a long poll by another owner: 404');
finished($running);


# cancel: queued, running, finished

$c = $stack->ask($self, method => 'DELETE');
is($c->status, 409, 'completed: 409');
is(job($c)->{type}, 'urn:weir:problem:conflict', 'a conflict');

my $id = job(submit('[[mock tag=run delay=3000]] Hi'))->{id};
$stack->wait_for(5, sub { $stack->calls('run') == 1 }, 'the call');
my $waits = $stack->request("/v1/jobs/$id", headers => ['Prefer: wait=10']);

$c = $stack->ask("/v1/jobs/$id", method => 'DELETE');
is($c->status, 200, 'running: 200');
is(job($c)->{status}, 'cancelled', 'cancelled');
cmp_ok(job($c)->{finished_at}, '>', 0, 'at a time');
ok($waits->wait(3), 'who waits is told');
is(job($waits)->{status}, 'cancelled', 'that it is cancelled');
is($stack->ask("/v1/jobs/$id", method => 'DELETE')->status, 200,
   'twice is 200');
is(job($stack->ask("/v1/jobs/$id"))->{result}, undef, 'there is no result');

my $failed = job(submit('[[mock status=400]] Hi'))->{id};
is(job(finished($failed))->{status}, 'failed', 'failed');
is($stack->ask("/v1/jobs/$failed", method => 'DELETE')->status, 409,
   'failed: 409');


# nobody works: jobs stay queued, and a cancelled one never runs

is($stack->stop('worker'), 0, 'the worker has left');

my %queued;

for my $class (qw(low normal high)) {
    push @{ $queued{$class} },
         job(submit('[[mock delay=50]] Hi', undef, priority => $class))->{id}
        for 1 .. 8;
}

my $never = job(submit('[[mock tag=never]] Hi'))->{id};

is(job($stack->ask("/v1/jobs/$never", method => 'DELETE'))->{status},
   'cancelled', 'cancelled while it was queued');

# one runner with few slots: the more urgent, the earlier

$stack->{worker_conf} = Weir::Stack::slurp($stack->dir . '/worker.conf')
                        =~ s/runners = 2/runners = 1/r
                        =~ s/slots = 64/slots = 3/r;
$stack->start('worker');

my %started;

for my $class (sort keys %queued) {
    for my $id (@{ $queued{$class} }) {
        is(job(finished($id))->{status}, 'completed', "$class: completed");
        push @{ $started{$class} }, $stack->redis('HGET',
            'weir:{0}:run:' . $id =~ s/^job_//r, 'started');
    }
}

# the first read takes one of each class, before there is a backlog

sub middle { (sort { $a <=> $b } @{ $started{$_[0]} })[4] }

cmp_ok(middle('high'), '<', middle('normal'), 'high before normal');
cmp_ok(middle('normal'), '<', middle('low'), 'normal before low');

is($stack->calls('never'), 0, 'the cancelled one was not run');
is(job($stack->ask("/v1/jobs/$never"))->{status}, 'cancelled',
   'and stays cancelled');


# ids that are none

for ('x', 'job_', 'job_x', 'job_00' . 'a' x 21, 'job_00' . 'a' x 23,
     'job_ZZ' . 'a' x 22, 'JOB_00' . 'a' x 22, 'job_00' . '-' x 22,
     '00' . 'a' x 22, 'job_0G' . 'a' x 22)
{
    is($stack->ask("/v1/jobs/$_")->status, 404, "$_: 404");
    is($stack->ask("/v1/jobs/$_", method => 'DELETE')->status, 404,
       "DELETE $_: 404");
}

$stack->end;

done_testing();
