# A Redis that accepts and closes, that never answers, or that refuses the
# handshake: submissions get 503 in time, other locations do not notice, and
# all is well as soon as Redis is.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Weir::FakeRedis;
use Weir::Stack;

my $job = '{"request":{"model":"m","messages":[{"role":"user",'
          . '"content":"Hi"}]}}';


sub stack {
    my ($parameters) = @_;

    my $stack = Weir::Stack->new(location => 'weir_api;', processes => 1,
        weir_redis => "timeout=200ms connect_timeout=200ms $parameters",
        server => 'location = /readyz { weir_readyz; }
                   location = /livez { weir_livez; }
                   location = /other { return 200 "ok"; }');

    $stack->keys;

    return $stack;
}


sub refused {
    my ($stack, $name) = @_;

    my $c = $stack->ask('/v1/jobs', body => $job);
    is($c->status, 503, "$name: 503");
    is($c->header('Retry-After'), 1, 'Retry-After');
    cmp_ok($c->elapsed, '<', 1, 'in time');

    is($stack->ask('/v1/jobs/job_00' . 'a' x 22)->status, 503, 'look: 503');
    is($stack->ask('/v1/models')->status, 503, 'models: 503');
    is($stack->ask('/readyz', no_key => 1)->status, 503, 'not ready');
    is($stack->ask('/livez', no_key => 1)->status, 200, 'alive');

    my $other = $stack->ask('/other', no_key => 1);
    is($other->status, 200, 'another location answers');
    cmp_ok($other->elapsed, '<', 0.1, 'at once');
}


sub recovers {
    my ($stack, $name) = @_;

    $stack->wait_for(10, sub { $stack->ask('/readyz')->status == 200 },
                     'both connections');
    is($stack->ask('/v1/jobs', body => $job)->status, 202,
       "$name: and then it works");
}


{
    my $stack = stack('');
    my $fake = Weir::FakeRedis->new(path => $stack->dir . '/redis.sock');

    for my $mode (qw(refuse mute)) {
        $fake->mode($mode => 1);
        $stack->start('nginx');
        refused($stack, $mode);
        $fake->mode;
        $fake->drop;
        recovers($stack, $mode);

        # the same after it has worked once

        $fake->mode($mode => 1);
        $fake->drop;
        $stack->wait_for(10, sub { $stack->ask('/readyz')->status == 503 },
                         'not ready');
        refused($stack, "$mode, later");
        $fake->mode;
        $fake->drop;
        recovers($stack, "$mode, later");
        $stack->end;
    }
}


# the handshake

for my $case (
    ['loading', 'PING', '-LOADING Redis is loading the dataset in memory'],
    ['protected', 'PING', '-DENIED Redis is running in protected mode'],
    ['password', 'AUTH', '-WRONGPASS invalid username-password pair'],
    ['database', 'SELECT', '-ERR DB index is out of range'],
    ['subscription', 'SUBSCRIBE', '-NOPERM no permissions'])
{
    my ($name, $command, $reply) = @$case;
    my $stack = Weir::Stack->new(location => 'weir_api;', processes => 1,
        server => 'location = /readyz { weir_readyz; }
                   location = /livez { weir_livez; }
                   location = /other { return 200 "ok"; }');

    my $d = $stack->dir;
    $stack->{weir_redis} = "timeout=200ms connect_timeout=200ms database=3"
                           . " user=weir password_file=$d/password";
    Weir::Stack::write_file("$d/password", "secret\n");

    my $fake = Weir::FakeRedis->new(path => "$d/redis.sock");
    $fake->rules({ on => $command, reply => "$reply\r\n" });
    $stack->start('nginx');

    $stack->wait_log('nginx', qr/refused the connection \(\w+\): "\Q@{[
                                 substr $reply, 1 ]}\E/, 5);

    if ($command ne 'SUBSCRIBE') {
        refused($stack, $name);

    } else {
        is($stack->ask('/readyz')->status, 503, "$name: not ready");
        is($stack->ask('/v1/jobs', body => $job)->status, 202,
           'but jobs are taken');
    }

    # said once, not with every try

    my $tries = $fake->count($command);
    $stack->wait_for(10, sub { $fake->count($command) > $tries + 1 },
                     'more tries');
    my $said = () = $stack->log('nginx') =~ /refused the connection/g;
    cmp_ok($said, '<=', 2, "$name: said once for each connection");

    $fake->rules;
    recovers($stack, $name);

    my ($auth) = grep { $_->[0] eq 'AUTH' } $fake->commands;
    is_deeply($auth, ['AUTH', 'weir', 'secret'], 'user and password');
    ok($fake->count('SELECT', 3), 'database');
    like($stack->log('nginx'), qr/connected to redis .* again/, 'told');
    unlike($stack->log('nginx'), qr/secret/, 'the password is not logged');

    $stack->end;
}

done_testing();
