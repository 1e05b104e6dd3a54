namespace Beam.Model;

/// <summary>
/// The URNs of the Beam model as constants. They repeat the options of the enums in the .proto files, which are not constants to the
/// compiler; a test keeps both the same.
/// </summary>
internal static class BeamUrns
{
    /// <summary>Transforms of the model.</summary>
    internal static class Transforms
    {
        internal const string ParDo = "beam:transform:pardo:v1";
        internal const string Flatten = "beam:transform:flatten:v1";
        internal const string GroupByKey = "beam:transform:group_by_key:v1";
        internal const string Impulse = "beam:transform:impulse:v1";
        internal const string AssignWindows = "beam:transform:window_into:v1";
        internal const string TestStream = "beam:transform:teststream:v1";
        internal const string MapWindows = "beam:transform:map_windows:v1";
        internal const string MergeWindows = "beam:transform:merge_windows:v1";
        internal new const string ToString = "beam:transform:to_string:v1";
        internal const string Read = "beam:transform:read:v1";
        internal const string CreateView = "beam:transform:create_view:v1";
        internal const string CombinePerKey = "beam:transform:combine_per_key:v1";
        internal const string CombineGlobally = "beam:transform:combine_globally:v1";
        internal const string Reshuffle = "beam:transform:reshuffle:v1";
        internal const string WriteFiles = "beam:transform:write_files:v1";
        internal const string PubSubRead = "beam:transform:pubsub_read:v1";
        internal const string PubSubWrite = "beam:transform:pubsub_write:v1";
        internal const string PubSubWriteV2 = "beam:transform:pubsub_write:v2";
        internal const string GroupIntoBatchesWithShardedKey = "beam:transform:group_into_batches_with_sharded_key:v1";
        internal const string RedistributeByKey = "beam:transform:redistribute_by_key:v1";
        internal const string RedistributeArbitrarily = "beam:transform:redistribute_arbitrarily:v1";
        internal const string CombinePerKeyPrecombine = "beam:transform:combine_per_key_precombine:v1";
        internal const string CombinePerKeyMergeAccumulators = "beam:transform:combine_per_key_merge_accumulators:v1";
        internal const string CombinePerKeyExtractOutputs = "beam:transform:combine_per_key_extract_outputs:v1";
        internal const string CombineGroupedValues = "beam:transform:combine_grouped_values:v1";
        internal const string CombinePerKeyConvertToAccumulators = "beam:transform:combine_per_key_convert_to_accumulators:v1";
        internal const string PairWithRestriction = "beam:transform:sdf_pair_with_restriction:v1";
        internal const string SplitAndSizeRestrictions = "beam:transform:sdf_split_and_size_restrictions:v1";
        internal const string ProcessSizedElementsAndRestrictions = "beam:transform:sdf_process_sized_element_and_restrictions:v1";
        internal const string TruncateSizedRestriction = "beam:transform:sdf_truncate_sized_restrictions:v1";
        internal const string GroupIntoBatches = "beam:transform:group_into_batches:v1";
    }

    /// <summary>Transforms that a runner adds at the borders of a bundle.</summary>
    internal static class FnApiTransforms
    {
        internal const string DataSource = "beam:runner:source:v1";
        internal const string DataSink = "beam:runner:sink:v1";
    }

    /// <summary>Encodings that every SDK agrees on.</summary>
    internal static class Coders
    {
        internal const string Bytes = "beam:coder:bytes:v1";
        internal const string StringUtf8 = "beam:coder:string_utf8:v1";
        internal const string Kv = "beam:coder:kv:v1";
        internal const string Bool = "beam:coder:bool:v1";
        internal const string Varint = "beam:coder:varint:v1";
        internal const string Double = "beam:coder:double:v1";
        internal const string Iterable = "beam:coder:iterable:v1";
        internal const string Timer = "beam:coder:timer:v1";
        internal const string IntervalWindow = "beam:coder:interval_window:v1";
        internal const string LengthPrefix = "beam:coder:length_prefix:v1";
        internal const string GlobalWindow = "beam:coder:global_window:v1";
        internal const string WindowedValue = "beam:coder:windowed_value:v1";
        internal const string ParamWindowedValue = "beam:coder:param_windowed_value:v1";
        internal const string StateBackedIterable = "beam:coder:state_backed_iterable:v1";
        internal const string CustomWindow = "beam:coder:custom_window:v1";
        internal const string Row = "beam:coder:row:v1";
        internal const string Schema = "beam:coder:schema:v1";
        internal const string ShardedKey = "beam:coder:sharded_key:v1";
        internal const string Nullable = "beam:coder:nullable:v1";
    }

    /// <summary>How side inputs are materialized.</summary>
    internal static class SideInputs
    {
        internal const string Iterable = "beam:side_input:iterable:v1";
        internal const string Multimap = "beam:side_input:multimap:v1";
    }

    /// <summary>How user state is read and written.</summary>
    internal static class UserStates
    {
        internal const string Bag = "beam:user_state:bag:v1";
        internal const string Multimap = "beam:user_state:multimap:v1";
        internal const string OrderedList = "beam:user_state:ordered_list:v1";
    }

    /// <summary>Window functions that every runner knows.</summary>
    internal static class WindowFns
    {
        internal const string GlobalWindows = "beam:window_fn:global_windows:v1";
        internal const string FixedWindows = "beam:window_fn:fixed_windows:v1";
        internal const string SlidingWindows = "beam:window_fn:sliding_windows:v1";
        internal const string SessionWindows = "beam:window_fn:session_windows:v1";
    }

    /// <summary>Where user code runs.</summary>
    internal static class Environments
    {
        internal const string Docker = "beam:env:docker:v1";
        internal const string Process = "beam:env:process:v1";
        internal const string External = "beam:env:external:v1";
        internal const string Default = "beam:env:default:v1";
        internal const string AnyOf = "beam:env:anyof:v1";
    }

    /// <summary>What an artifact is.</summary>
    internal static class ArtifactTypes
    {
        internal const string File = "beam:artifact:type:file:v1";
        internal const string Url = "beam:artifact:type:url:v1";
        internal const string Embedded = "beam:artifact:type:embedded:v1";
        internal const string PyPI = "beam:artifact:type:pypi:v1";
        internal const string Maven = "beam:artifact:type:maven:v1";
        internal const string Deferred = "beam:artifact:type:deferred:v1";
    }

    /// <summary>What an artifact is for.</summary>
    internal static class ArtifactRoles
    {
        internal const string StagingTo = "beam:artifact:role:staging_to:v1";
        internal const string PipRequirementsFile = "beam:artifact:role:pip_requirements_file:v1";
        internal const string GoWorkerBinary = "beam:artifact:role:go_worker_binary:v1";
    }

    /// <summary>What an SDK may announce that it can do.</summary>
    internal static class Protocols
    {
        internal const string LegacyProgressReporting = "beam:protocol:progress_reporting:v0";
        internal const string ProgressReporting = "beam:protocol:progress_reporting:v1";
        internal const string WorkerStatus = "beam:protocol:worker_status:v1";
        internal const string MultiCoreBundleProcessing = "beam:protocol:multi_core_bundle_processing:v1";
        internal const string SiblingWorkers = "beam:protocol:sibling_workers:v1";
        internal const string HarnessMonitoringInfos = "beam:protocol:harness_monitoring_infos:v1";
        internal const string ControlRequestElementsEmbedding = "beam:protocol:control_request_elements_embedding:v1";
        internal const string StateCaching = "beam:protocol:state_caching:v1";
        internal const string DataSampling = "beam:protocol:data_sampling:v1";
        internal const string SdkConsumingReceivedData = "beam:protocol:sdk_consuming_received_data:v1";
        internal const string OrderedListState = "beam:protocol:ordered_list_state:v1";
        internal const string ElementMetadata = "beam:protocol:element_metadata:v1";
        internal const string MultimapState = "beam:protocol:multimap_state:v1";
        internal const string NamedDataStreams = "beam:protocol:named_data_streams:v1";
    }

    /// <summary>What a runner may announce that it can do.</summary>
    internal static class RunnerProtocols
    {
        internal const string MonitoringInfoShortIds = "beam:protocol:monitoring_info_short_ids:v1";
        internal const string ControlResponseElementsEmbedding = "beam:protocol:control_response_elements_embedding:v1";
        internal const string MultimapKeysValuesSideInput = "beam:protocol:multimap_keys_values_side_input:v1";
    }

    /// <summary>What a pipeline cannot do without.</summary>
    internal static class Requirements
    {
        internal const string RequiresStatefulProcessing = "beam:requirement:pardo:stateful:v1";
        internal const string RequiresBundleFinalization = "beam:requirement:pardo:finalization:v1";
        internal const string RequiresStableInput = "beam:requirement:pardo:stable_input:v1";
        internal const string RequiresTimeSortedInput = "beam:requirement:pardo:time_sorted_input:v1";
        internal const string RequiresSplittableDoFn = "beam:requirement:pardo:splittable_dofn:v1";
        internal const string RequiresOnWindowExpiration = "beam:requirement:pardo:on_window_expiration:v1";
    }

    /// <summary>Hints of an environment.</summary>
    internal static class ResourceHints
    {
        internal const string Accelerator = "beam:resources:accelerator:v1";
        internal const string MinRamBytes = "beam:resources:min_ram_bytes:v1";
        internal const string CpuCount = "beam:resources:cpu_count:v1";
        internal const string MaxActiveBundlesPerWorker = "beam:resources:max_active_bundles_per_worker:v1";
    }

    /// <summary>Kinds of display data.</summary>
    internal static class DisplayData
    {
        internal const string Labelled = "beam:display_data:labelled:v1";
    }

    /// <summary>Logical types of schemas.</summary>
    internal static class LogicalTypes
    {
        internal const string PythonCallable = "beam:logical_type:python_callable:v1";
        internal const string MicrosInstant = "beam:logical_type:micros_instant:v1";
        internal const string MillisInstant = "beam:logical_type:millis_instant:v1";
        internal const string Decimal = "beam:logical_type:decimal:v1";
        internal const string FixedBytes = "beam:logical_type:fixed_bytes:v1";
        internal const string VarBytes = "beam:logical_type:var_bytes:v1";
        internal const string FixedChar = "beam:logical_type:fixed_char:v1";
        internal const string VarChar = "beam:logical_type:var_char:v1";
        internal const string Date = "beam:logical_type:date:v1";
    }

    /// <summary>How an expansion service finds what to expand.</summary>
    internal static class ExpansionMethods
    {
        internal const string JavaClassLookup = "beam:expansion:payload:java_class_lookup:v1";
        internal const string SchemaTransform = "beam:expansion:payload:schematransform:v1";
    }

    /// <summary>Schema transforms behind the managed IO.</summary>
    internal static class ManagedTransforms
    {
        internal const string IcebergRead = "beam:schematransform:org.apache.beam:iceberg_read:v1";
        internal const string IcebergWrite = "beam:schematransform:org.apache.beam:iceberg_write:v1";
        internal const string KafkaRead = "beam:schematransform:org.apache.beam:kafka_read:v1";
        internal const string KafkaWrite = "beam:schematransform:org.apache.beam:kafka_write:v1";
        internal const string BigQueryRead = "beam:schematransform:org.apache.beam:bigquery_storage_read:v1";
        internal const string BigQueryWrite = "beam:schematransform:org.apache.beam:bigquery_write:v1";
        internal const string IcebergCdcRead = "beam:schematransform:org.apache.beam:iceberg_cdc_read:v1";
        internal const string PostgresRead = "beam:schematransform:org.apache.beam:postgres_read:v1";
        internal const string PostgresWrite = "beam:schematransform:org.apache.beam:postgres_write:v1";
        internal const string MySqlRead = "beam:schematransform:org.apache.beam:mysql_read:v1";
        internal const string MySqlWrite = "beam:schematransform:org.apache.beam:mysql_write:v1";
        internal const string SqlServerRead = "beam:schematransform:org.apache.beam:sql_server_read:v1";
        internal const string SqlServerWrite = "beam:schematransform:org.apache.beam:sql_server_write:v1";
        internal const string DeltaLakeRead = "beam:schematransform:org.apache.beam:delta_lake_read:v1";
    }

    /// <summary>Encodings of monitoring infos.</summary>
    internal static class MonitoringTypes
    {
        internal const string SumInt64 = "beam:metrics:sum_int64:v1";
        internal const string SumDouble = "beam:metrics:sum_double:v1";
        internal const string DistributionInt64 = "beam:metrics:distribution_int64:v1";
        internal const string DistributionDouble = "beam:metrics:distribution_double:v1";
        internal const string LatestInt64 = "beam:metrics:latest_int64:v1";
        internal const string LatestDouble = "beam:metrics:latest_double:v1";
        internal const string TopNInt64 = "beam:metrics:top_n_int64:v1";
        internal const string TopNDouble = "beam:metrics:top_n_double:v1";
        internal const string BottomNInt64 = "beam:metrics:bottom_n_int64:v1";
        internal const string BottomNDouble = "beam:metrics:bottom_n_double:v1";
        internal const string Progress = "beam:metrics:progress:v1";
        internal const string SetString = "beam:metrics:set_string:v1";
        internal const string BoundedTrie = "beam:metrics:bounded_trie:v1";
        internal const string Histogram = "beam:metrics:histogram_int64:v1";
    }

    /// <summary>Metrics that runners know.</summary>
    internal static class Metrics
    {
        internal const string UserSumInt64 = "beam:metric:user:sum_int64:v1";
        internal const string UserSumDouble = "beam:metric:user:sum_double:v1";
        internal const string UserDistributionInt64 = "beam:metric:user:distribution_int64:v1";
        internal const string UserDistributionDouble = "beam:metric:user:distribution_double:v1";
        internal const string UserLatestInt64 = "beam:metric:user:latest_int64:v1";
        internal const string UserLatestDouble = "beam:metric:user:latest_double:v1";
        internal const string UserTopNInt64 = "beam:metric:user:top_n_int64:v1";
        internal const string UserTopNDouble = "beam:metric:user:top_n_double:v1";
        internal const string UserBottomNInt64 = "beam:metric:user:bottom_n_int64:v1";
        internal const string UserBottomNDouble = "beam:metric:user:bottom_n_double:v1";
        internal const string UserSetString = "beam:metric:user:set_string:v1";
        internal const string UserBoundedTrie = "beam:metric:user:bounded_trie:v1";
        internal const string ElementCount = "beam:metric:element_count:v1";
        internal const string SampledByteSize = "beam:metric:sampled_byte_size:v1";
        internal const string StartBundleMsecs = "beam:metric:pardo_execution_time:start_bundle_msecs:v1";
        internal const string ProcessBundleMsecs = "beam:metric:pardo_execution_time:process_bundle_msecs:v1";
        internal const string FinishBundleMsecs = "beam:metric:pardo_execution_time:finish_bundle_msecs:v1";
        internal const string TotalMsecs = "beam:metric:ptransform_execution_time:total_msecs:v1";
        internal const string WorkRemaining = "beam:metric:ptransform_progress:remaining:v1";
        internal const string WorkCompleted = "beam:metric:ptransform_progress:completed:v1";
        internal const string DataChannelReadIndex = "beam:metric:data_channel:read_index:v1";
        internal const string ApiRequestCount = "beam:metric:io:api_request_count:v1";
        internal const string ApiRequestLatencies = "beam:metric:io:api_request_latencies:v1";
        internal const string UserHistogram = "beam:metric:user:histogram_int64:v1";
    }

    /// <summary>Labels of monitoring infos.</summary>
    internal static class MetricLabels
    {
        internal const string Transform = "PTRANSFORM";
        internal const string Pcollection = "PCOLLECTION";
        internal const string WindowingStrategy = "WINDOWING_STRATEGY";
        internal const string Coder = "CODER";
        internal const string Environment = "ENVIRONMENT";
        internal const string Namespace = "NAMESPACE";
        internal const string Name = "NAME";
        internal const string Service = "SERVICE";
        internal const string Method = "METHOD";
        internal const string Resource = "RESOURCE";
        internal const string Status = "STATUS";
        internal const string BigQueryProjectId = "BIGQUERY_PROJECT_ID";
        internal const string BigQueryDataset = "BIGQUERY_DATASET";
        internal const string BigQueryTable = "BIGQUERY_TABLE";
        internal const string BigQueryView = "BIGQUERY_VIEW";
        internal const string BigQueryQueryName = "BIGQUERY_QUERY_NAME";
        internal const string GcsBucket = "GCS_BUCKET";
        internal const string GcsProjectId = "GCS_PROJECT_ID";
        internal const string DatastoreProject = "DATASTORE_PROJECT";
        internal const string DatastoreNamespace = "DATASTORE_NAMESPACE";
        internal const string BigtableProjectId = "BIGTABLE_PROJECT_ID";
        internal const string InstanceId = "INSTANCE_ID";
        internal const string TableId = "TABLE_ID";
        internal const string SpannerProjectId = "SPANNER_PROJECT_ID";
        internal const string SpannerDatabaseId = "SPANNER_DATABASE_ID";
        internal const string SpannerTableId = "SPANNER_TABLE_ID";
        internal const string SpannerInstanceId = "SPANNER_INSTANCE_ID";
        internal const string SpannerQueryName = "SPANNER_QUERY_NAME";
        internal const string PerWorkerMetric = "PER_WORKER_METRIC";
    }
}
