package Weir::RedisProxy;

# Stands between a client and a real Redis, and breaks what a test wants
# broken.  Rules, modes and questions as in Weir::FakeRedis:
#
#     my $proxy = Weir::RedisProxy->new(path => "$dir/proxy.sock",
#                                       to => "$dir/redis.sock");
#     $proxy->rules({ on => 'XREADGROUP', reply => "-LOADING x\r\n",
#                     times => 3 });
#
#     on, with, times, skip    as there; "with" of EXEC is a word of any of the
#                              commands of the transaction
#     reply    these bytes instead of the answer; nothing is done
#     queue    these bytes instead of +QUEUED; the EXEC is aborted
#     keep     it is done, but this answer and all after it on that connection
#              are kept back until there are new rules
#     lose     it is done, but the connection is closed instead of an answer
#     mute     nothing is done, and no answer comes any more on this connection
#     hold     it is sent to Redis when there are new rules, even if the client
#              has gone by then; "last": what it sent after that is lost
#
# Modes: mute (all connections); delay: answers come so many seconds later.

use strict;
use warnings;

use parent -norequire, 'Weir::FakeRedis';

use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Time::HiRes qw(time);
use Weir::FakeRedis;

my $json = JSON::PP->new->latin1->canonical;


sub new {
    my ($class, %o) = @_;

    my $self = bless { %o, owner => $$ }, $class;

    unlink $o{path};
    my $listen = IO::Socket::UNIX->new(Local => $o{path}, Listen => 64)
        or die "listen: $!";

    $self->{pid} = fork // die "fork: $!";

    if ($self->{pid} == 0) {
        POSIX::setsid();
        $SIG{PIPE} = 'IGNORE';
        $SIG{TERM} = sub { POSIX::_exit(0) };
        my $parent = getppid();

        eval { serve({ %o, listen => $listen, parent => $parent,
                       rules => [], log => [], mode => {}, pairs => {},
                       select => IO::Select->new($listen) }); 1 }
            or print STDERR "redis proxy: $@";
        POSIX::_exit(1);
    }

    close $listen;

    return $self;
}


sub decode_what { $json->decode($_[0])->{what} }


# A pair is a client and its connection to Redis.  "expected" holds, for each
# command, what its answer will be: bytes of our own, or Redis's, with a rule.

sub serve {
    my ($f) = @_;

    while (getppid() == $f->{parent}) {
        my $late = grep { @{ $_->{late} } } values %{ $f->{pairs} };

        for my $socket ($f->{select}->can_read($late ? 0.005 : 1)) {
            if ($socket == $f->{listen}) {
                join_pair($f, $socket->accept // next);
                next;
            }

            my $p = $f->{pairs}{fileno $socket} // next;
            my $side = $socket == $p->{client} ? 'client' : 'redis';

            if (!sysread $socket, my $bytes, 1048576) {
                if ($side eq 'client' && defined $p->{held}) {
                    $p->{left} = 1;
                    $f->{select}->remove($socket);
                } else {
                    $p->{closed} = 1;
                }
            } else {
                $p->{"from_$side"} .= $bytes;
                $side eq 'client' ? commands_of($f, $p) : answers_of($f, $p);
            }

            part($f, $p) if $p->{closed};
        }

        answers_late($_) for values %{ $f->{pairs} };
    }
}


sub join_pair {
    my ($f, $client) = @_;

    my $redis = IO::Socket::UNIX->new(Peer => $f->{to});
    my $p = { client => $client, redis => $redis, from_client => '',
              from_redis => '', expected => [], late => [] };

    $f->{pairs}{fileno $_} = $p for grep { $_ } $client, $redis;
    $f->{select}->add($_) for grep { $_ } $client, $redis;

    $p->{lonely} = !$redis;         # it may still ask us
}


sub part {
    my ($f, $p) = @_;

    for my $socket (grep { $_ } @$p{qw(client redis)}) {
        $f->{select}->remove($socket);
        delete $f->{pairs}{fileno $socket};
        close $socket;
    }
}


sub commands_of {
    my ($f, $p) = @_;

    while (!$p->{closed} && !defined $p->{held}
           && $p->{from_client} =~ /\A\*(\d+)\r\n/)
    {
        my ($count, $at) = ($1, $+[0]);
        my @words;

        for (1 .. $count) {
            substr($p->{from_client}, $at, 32) =~ /\A\$(\d+)\r\n/ or return;
            my ($size, $skip) = ($1, $+[0]);
            return if length $p->{from_client} < $at + $skip + $size + 2;
            push @words, substr $p->{from_client}, $at + $skip, $size;
            $at += $skip + $size + 2;
        }

        my $bytes = substr $p->{from_client}, 0, $at, '';
        $words[0] = uc $words[0];
        one_command($f, $p, $bytes, @words);
    }
}


sub one_command {
    my ($f, $p, $bytes, @words) = @_;

    if ($words[0] eq 'FAKE') {
        $p->{control} = 1;
        my $reply = Weir::FakeRedis::obey($f, $words[1]);
        write_all($p->{client},
                  Weir::FakeRedis::bulk($json->encode({ data => $reply })));

        for my $other (values %{ $f->{pairs} }) {       # "drop"
            part($f, $other) if $other != $p && $other->{gone};
        }

        if (decode_what($words[1]) eq 'rules') {
            for my $other (values %{ $f->{pairs} }) {
                delete $_->{keep} for @{ $other->{expected} };
                answers_of($f, $other);
                release($f, $other) if defined $other->{held};
            }
        }

        return;
    }

    if ($p->{lonely}) {
        $p->{closed} = 1;
        return;
    }

    my $all = [@words];

    if ($words[0] eq 'MULTI') {
        $p->{queue} = [];

    } elsif ($words[0] eq 'EXEC') {
        push @$all, map { @$_ } @{ $p->{queue} // [] };

    } elsif ($p->{queue}) {
        push @{ $p->{queue} }, [@words];
    }

    push @{ $f->{log} }, $all;

    return if $f->{mode}{mute} || $p->{mute};

    my $rule = Weir::FakeRedis::rule($f, $all);
    apply($p, $rule, $bytes, @words);

    if ($words[0] eq 'EXEC') {
        delete @$p{qw(queue aborted)};
    }
}


sub release {
    my ($f, $p) = @_;

    write_all($p->{redis}, delete $p->{held});
    push @{ $p->{expected} }, {};

    if ($p->{last}) {
        $p->{mute} = 1;
        $p->{from_client} = '';
    } else {
        commands_of($f, $p);
    }
}


sub apply {
    my ($p, $rule, $bytes, @words) = @_;

    my $ends = $words[0] eq 'EXEC';

    if ($rule && $rule->{mute}) {
        $p->{mute} = 1;
        return;
    }

    if ($rule && $rule->{hold}) {
        $p->{held} = $bytes;
        $p->{last} = $rule->{hold} eq 'last';
        return;
    }

    if ($rule && defined $rule->{queue}) {
        $p->{aborted} = 1;
        push @{ $p->{expected} }, { own => $rule->{queue} };

    } elsif (($rule && defined $rule->{reply}) || ($ends && $p->{aborted})) {
        my $own = $rule && $rule->{reply} || "-EXECABORT Transaction discarded "
                  . "because of previous errors.\r\n";

        # of a transaction, Redis has to forget the beginning

        write_all($p->{redis}, Weir::FakeRedis::command('DISCARD')) if $ends;
        push @{ $p->{expected} }, { own => $own, swallow => $ends };

    } else {
        write_all($p->{redis}, $bytes);
        push @{ $p->{expected} }, { lose => $rule && $rule->{lose},
                                    keep => $rule && $rule->{keep} };
    }

    flush_own($p);
}


# own answers whose turn it is

sub flush_own {
    my ($p) = @_;

    while (my $e = $p->{expected}[0]) {
        last if !defined $e->{own} || $e->{swallow};
        write_all($p->{client}, $e->{own});
        shift @{ $p->{expected} };
    }
}


sub answers_of {
    my ($f, $p) = @_;

    while (!$p->{closed}) {
        return if @{ $p->{expected} } && $p->{expected}[0]{keep};

        my $size = reply_size($p->{from_redis}, 0) or return;
        my $bytes = substr $p->{from_redis}, 0, $size, '';
        my $e = shift @{ $p->{expected} } // {};

        if ($e->{lose}) {
            $p->{closed} = 1;
            return;
        }

        if ($f->{mode}{delay} || @{ $p->{late} }) {
            push @{ $p->{late} }, [time + ($f->{mode}{delay} // 0),
                                   $e->{own} // $bytes];
            next;
        }

        write_all($p->{client}, $e->{own} // $bytes) if !$p->{mute};
        flush_own($p);
        $p->{closed} = 1 if $p->{left} && !@{ $p->{expected} };
    }
}


sub answers_late {
    my ($p) = @_;

    while (@{ $p->{late} } && $p->{late}[0][0] <= time) {
        write_all($p->{client}, (shift @{ $p->{late} })->[1]);
    }
}


# bytes of the first reply; 0: it is not complete

sub reply_size {
    my ($text, $from) = @_;

    my $eol = index $text, "\r\n", $from;
    return 0 if $eol < 0;

    my ($type, $n) = (substr($text, $from, 1),
                      substr($text, $from + 1, $eol - $from - 1));
    my $at = $eol + 2;

    if ($type eq '$' && $n >= 0) {
        return length $text >= $at + $n + 2 ? $at + $n + 2 - $from : 0;
    }

    for (1 .. ($type eq '*' && $n > 0 ? $n : 0)) {
        my $size = reply_size($text, $at) or return 0;
        $at += $size;
    }

    return $at - $from;
}


sub write_all {
    my ($socket, $bytes) = @_;

    my $at = 0;

    while ($at < length $bytes) {
        my $n = syswrite $socket, $bytes, length($bytes) - $at, $at;
        return if !defined $n;
        $at += $n;
    }
}


1;
