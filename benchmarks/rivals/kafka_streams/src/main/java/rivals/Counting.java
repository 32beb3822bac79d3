package rivals;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The job of the benchmark on Kafka Streams: count the records of each key, pass each one on.
 *
 * <p>One thread, a RocksDB store with a changelog and the record cache that the DSL has by
 * default; everything else is as Kafka Streams comes.
 */
public final class Counting {
  private static final String STORE = "counts";
  /** As many bytes of each value go into its output; they hold when it was sent. */
  private static final int SENT_BYTES = 16;

  private Counting() {}

  /** Runs until SIGTERM: brokers, source, out, app id, state folder, guarantee. */
  public static void main(String[] arguments) throws InterruptedException {
    Topology topology = new Topology();
    topology.addSource("source", arguments[1]);
    topology.addProcessor("count", Count::new, "source");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(STORE), Serdes.ByteArray(), Serdes.ByteArray())
            .withCachingEnabled(),
        "count");
    topology.addSink("out", arguments[2], "count");
    KafkaStreams streams = new KafkaStreams(topology, settings(arguments));
    CountDownLatch ended = new CountDownLatch(1);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  // As it comes, a group waits for a member that is gone until its session is over.
                  streams.close(
                      CloseOptions.groupMembershipOperation(
                          CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
                  ended.countDown();
                }));
    streams.start();
    ended.await();
  }

  private static Properties settings(String[] arguments) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[3]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, arguments[5]);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    return settings;
  }

  private static final class Count implements Processor<byte[], byte[], byte[], byte[]> {
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> counts;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      this.counts = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      byte[] seen = counts.get(record.key());
      long count = seen == null ? 1 : Long.parseLong(new String(seen, StandardCharsets.US_ASCII)) + 1;
      counts.put(record.key(), Long.toString(count).getBytes(StandardCharsets.US_ASCII));
      context.forward(record.withValue(Arrays.copyOf(record.value(), SENT_BYTES)));
    }
  }
}
