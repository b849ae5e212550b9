# Servers of a test's own: a job goes through them, and survives the death of
# each; this is also the example of how to use Weir::Stack.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $ask = '{"request":{"model":"m","messages":'
          . '[{"role":"user","content":"hello %s"}]}}';

my $s = Weir::Stack->new(location => 'weir_api;')->start;


sub job {
    return $s->ask('/v1/jobs', headers => ['Prefer: wait=20'],
                   body => sprintf($ask, $_[0]), timeout => 25);
}


my $c = job('one');
is($c->status, 200, 'a held job is answered');
ok($c->whole, 'with a whole body');
like($c->body, qr/"status": ?"completed"/, 'and completed');

my @many = map {
    $s->request('/v1/jobs', headers => ['Prefer: wait=20'],
                body => sprintf($ask, $_))
} 1 .. 50;

ok(Weir::Client::wait_all(25, @many), '50 at once are answered');
is(scalar(grep { $_->body =~ /completed/ } @many), 50, 'all of them');

$s->kill_child('nginx');
like(job('two')->body, qr/completed/, 'after the death of an nginx worker');

$s->kill_child('worker');
like(job('three')->body, qr/completed/, 'after the death of a runner');

$s->signal('redis', 'KILL');
$s->start('redis');

# each nginx worker process connects again on its own: a client asks again

ok($s->wait_for(20, sub { job('four')->body =~ /completed/ },
                'nginx connected again'), 'after the death of Redis');

is($s->stop('nginx'), 0, 'nginx leaves cleanly');
is($s->stop('worker'), 0, 'the worker leaves cleanly');

done_testing;
