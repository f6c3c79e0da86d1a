// The OTLP receiver of the OpenTelemetry Collector by itself: what it takes in is written to the standard output, one JSON
// object a line, as it understood it. For the test of telemetry; the first line says where it listens.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

type host struct{}

func (host) GetExtensions() map[component.ID]component.Component { return nil }
func (host) Report(event *componentstatus.Event)                 { log.Println("status", event.Status(), event.Err()) }

var output sync.Mutex

func write(kind string, bytes []byte, err error) error {
	if err != nil {
		return err
	}
	output.Lock()
	defer output.Unlock()
	_, err = fmt.Printf("{\"%s\":%s}\n", kind, bytes)
	return err
}

func main() {
	address := freeAddress()
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig().(*otlpreceiver.Config)
	config.Protocols.GRPC = configoptional.None[configgrpc.ServerConfig]()
	config.Protocols.HTTP.GetOrInsertDefault().ServerConfig.NetAddr.Endpoint = address

	metrics, err := consumer.NewMetrics(func(_ context.Context, data pmetric.Metrics) error {
		bytes, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(data)
		return write("metrics", bytes, err)
	})
	check(err)
	traces, err := consumer.NewTraces(func(_ context.Context, data ptrace.Traces) error {
		bytes, err := (&ptrace.JSONMarshaler{}).MarshalTraces(data)
		return write("traces", bytes, err)
	})
	check(err)

	settings := receiver.Settings{
		ID: component.NewID(factory.Type()),
		TelemetrySettings: component.TelemetrySettings{
			Logger:         zap.NewNop(),
			TracerProvider: tracenoop.NewTracerProvider(),
			MeterProvider:  metricnoop.NewMeterProvider(),
			Resource:       pcommon.NewResource(),
		},
	}
	background := context.Background()
	ofMetrics, err := factory.CreateMetrics(background, settings, config, metrics)
	check(err)
	ofTraces, err := factory.CreateTraces(background, settings, config, traces)
	check(err)
	check(ofMetrics.Start(background, host{}))
	check(ofTraces.Start(background, host{}))
	fmt.Printf("{\"listens\":\"http://%s\"}\n", address)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	check(ofMetrics.Shutdown(background))
	check(ofTraces.Shutdown(background))
}

func freeAddress() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer listener.Close()
	return listener.Addr().String()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
