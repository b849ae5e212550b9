# Who asks and is not answered in time, or not at all: a wait that is over
# becomes a job, a leader who is refused gives way, and what may only be stored
# is not asked for.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Askers;
use Weir::Stack;

my $http = 'weir_max_waiting 1000;
            weir_limit_zone $weir_owner zone=big:1m count=output-tokens
                            quota=1000/month scope=fleet;';

my $near = cached_stack(processes => 2, http => $http,
    location => 'weir_max_wait 1s; weir_limit zone=big;',
    worker => 'attempts = 1');
$near->start;

my $far = another_edge($near, processes => 2, http => $http,
                     location => 'weir_max_wait 20s;');
$far->start('nginx');


# the wait is over: 504, and a job for each

my $text = '[[mock tag=late delay=3000]] Hi';
my @late = map { chat($near, $text) } 1 .. 4;
ask_all(5, @late);
is(status_of(@late), 504, 'late: all are told');

my %ids = map { ($_->header('X-Weir-Job') // 'none') => 1 } @late;
is(scalar(keys %ids), 4, 'late: four jobs');
is(scalar(grep { /^job_/ } keys %ids), 4, 'late: which are told of');
is(scalar(grep { $_->header('x-should-retry') } @late), 0,
   'late: they may ask again');
like($late[0]->body, qr/"code":"timeout"/, 'late: in the form of the route');

my $again = chat($far, $text);                    # and so joins
my @done = map { $near->ask("/v1/jobs/$_", headers => ['Prefer: wait=1'],
                         timeout => 20) } keys %ids;
ask_all(10, $again);
is($again->status, 200, 'late: who asks again is answered');
is($near->calls('late'), 1, 'late: one call');

for my $id (keys %ids) {
    my $job = $near->wait_for(10, sub {
        my $o = decode_json($near->ask("/v1/jobs/$id")->body);
        return $o->{status} eq 'completed' && $o;
    }, 'the job is completed');
    is($job->{result}{choices}[0]{message}{content},
       decode_json($again->body)->{choices}[0]{message}{content},
       'late: the job has the answer');
}


# who leads is refused by a limit of his own: the others do not wait for it

my %few = (more => { max_tokens => 900 });
my $first = job($near, '[[mock hang tag=first]] Hi', %few);
ask_all(5, $first);
is($first->status, 202, 'limit: the first one takes nearly all');

my $since = time;
my @all = map { chat($_ % 2 ? $near : $far, '[[mock tag=limit delay=300]] Hi', %few) }
          1 .. 20;
ask_all(10, @all);

my @refused = grep { $_->status == 429 } @all;
my @served = grep { $_->status == 200 } @all;
is(@refused + @served, 20, 'limit: all are answered') or diag(status_of(@all));
cmp_ok(time - $since, '<', 2.5, 'limit: at once');
is(scalar(grep { $_->header('Cache-Status') } @refused), 0,
   'limit: refusals are not the cache\'s');
is($near->calls('limit'), @served ? 1 : 0, 'limit: one call');


# he gives his place back: who comes next leads at once, and does not wait for what
# will never be submitted

my $alone = chat($near, '[[mock tag=alone]] Hi', %few);
ask_all(5, $alone);
is($alone->status, 429, 'alone: who leads is refused');

my $next = chat($far, '[[mock tag=alone]] Hi', %few);
ask_all(10, $next);
is($next->status, 200, 'alone: the next one is answered');
cmp_ok($next->elapsed, '<', 1.5, 'alone: at once');
is($near->calls('alone'), 1, 'alone: one call');

is($near->ask('/v1/jobs/' . decode_json($first->body)->{id},
              method => 'DELETE')->status, 200, 'limit: there is room again');


# only what is stored

my @only = (headers => ['Cache-Control: only-if-cached']);
my $c = chat($near, '[[mock tag=only]] Hi', @only);
ask_all(5, $c);
is($c->status, 504, 'only-if-cached: 504');
is($near->calls('only'), 0, 'only-if-cached: not asked');
ask_all(5, chat($far, '[[mock tag=only]] Hi'));
$c = chat($near, '[[mock tag=only]] Hi', @only);
ask_all(5, $c);
is($c->status, 200, 'only-if-cached: stored');
is($near->calls('only'), 1, 'only-if-cached: one call');

# also while it is being asked

my $leader = chat($far, '[[mock tag=soon delay=800]] Hi');
$near->wait_for(5, sub { $near->calls('soon') }, 'it is asked for');
$c = chat($near, '[[mock tag=soon delay=800]] Hi', @only);
ask_all(5, $c);
is($c->status, 504, 'only-if-cached: not joined');
ask_all(5, $leader);
is($leader->status, 200, 'only-if-cached: the leader is answered');

nothing_left($near);

$far->end;
$near->end;

done_testing();
